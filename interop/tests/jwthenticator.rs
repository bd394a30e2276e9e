//! jwthenticator's own clients against its own server, on both databases: that
//! what drives them drives them rightly.

use anyhow::Result;
use countersign_testbed::fresh_database;
use interop::{Jwthenticator, ProtectedService, Request, Session, Step};
use serde_json::{Value, json};

const IDENTIFIER: &str = "5d8f6a3a-2e5b-4c0e-9a53-6a7b9d0c1e2f";
const KEY: &str = "a key of a caller";

fn registered() -> Step {
    Step::RegisterKey(KEY.into())
}

fn is_registered(key: &str) -> Step {
    Step::IsKeyRegistered(key.into())
}

/// From a key that nobody knows to an answer of the protected service.
async fn assert_the_whole_way(server: &mut Jwthenticator) -> Result<()> {
    let service = ProtectedService::start(server.url()).await?;
    let session = Session::with_key(server.url(), IDENTIFIER, KEY);
    let outcomes = session.run(&[
        is_registered(KEY),
        registered(),
        is_registered(KEY),
        is_registered("another"),
        Step::Authenticate,
        Step::Validate,
        Step::Refresh { auth_on_fail: false },
        Step::Validate,
        Step::Get(service.secure()),
        Step::Post(service.secure(), "hello".into()),
    ])?;
    let values: Vec<&Value> = outcomes.iter().map(|o| o.value()).collect::<Result<_>>()?;
    assert_eq!(
        values[..6],
        [json!(false), Value::Null, json!(true), json!(false), Value::Null, json!(true)].each_ref()
    );
    assert_eq!(values[6..8], [&Value::Null, &json!(true)]);
    for (value, method, body) in [(values[8], "GET", ""), (values[9], "POST", "hello")] {
        assert_eq!(value["status"], 200);
        let seen: Value = serde_json::from_str(value["body"].as_str().unwrap_or_default())?;
        assert_eq!(seen, json!({"method": method, "body": body}));
    }
    let (authenticated, refreshed) = (&outcomes[4], &outcomes[6]);
    assert_eq!(authenticated.unverified_claims()?["identifier"], IDENTIFIER);
    assert_ne!(authenticated.jwt, refreshed.jwt);
    assert_eq!(authenticated.refresh_token.as_deref().map(str::len), Some(128));
    assert_eq!(authenticated.refresh_token, refreshed.refresh_token);

    // What it keeps outlives it: the key, the tokens, and what signs them.
    server.restart().await?;
    let kept = Session {
        jwt: refreshed.jwt.clone(),
        refresh_token: refreshed.refresh_token.clone(),
        ..Session::with_key(server.url(), IDENTIFIER, KEY)
    };
    let steps = [Step::Validate, Step::Refresh { auth_on_fail: false }, Step::Authenticate];
    let outcomes = kept.run(&steps)?;
    assert_eq!(outcomes[0].value()?, true);
    assert!(outcomes.iter().all(|outcome| outcome.error.is_none()), "{outcomes:?}");
    Ok(())
}

#[tokio::test]
async fn the_whole_way_on_sqlite() -> Result<()> {
    let mut server = Jwthenticator::on_sqlite(&[]).await?;
    assert_the_whole_way(&mut server).await?;
    assert!(server.sqlite_file().is_file() && server.private_key().is_file());
    Ok(())
}

#[tokio::test]
async fn the_whole_way_on_postgres() -> Result<()> {
    let database = fresh_database().await?;
    let mut server = Jwthenticator::on_postgres(database.url(), &[]).await?;
    assert_the_whole_way(&mut server).await
}

#[tokio::test]
async fn a_client_drops_what_was_refused_and_recovers_from_a_wrong_token() -> Result<()> {
    let server = Jwthenticator::on_sqlite(&[]).await?;
    let service = ProtectedService::start(server.url()).await?;
    let session = Session::with_key(server.url(), IDENTIFIER, KEY);
    let refused = &session.run(&[Step::Authenticate])?[0];
    assert_eq!(refused.error.as_deref(), Some("AuthenticationError"));
    assert!(!refused.has_key);

    let wrong_refresh = Session { refresh_token: Some("wrong".into()), ..session.clone() };
    let steps = [registered(), Step::Refresh { auth_on_fail: false }, Step::Authenticate];
    let outcomes = wrong_refresh.run(&steps)?;
    assert_eq!(outcomes[1].error.as_deref(), Some("RefreshError"));
    assert_eq!((outcomes[1].refresh_token.as_deref(), outcomes[1].has_key), (None, true));
    assert!(outcomes[2].refresh_token.is_some());

    let wrong_token = [
        Step::Authenticate,
        Step::SetJwt(Some("a.b.c".into())),
        Step::Validate,
        Step::Get(service.secure()),
        Step::Validate,
    ];
    let outcomes = session.run(&wrong_token)?;
    assert_eq!(outcomes[1].error.as_deref(), Some("DecodeError"));
    assert_eq!(outcomes[2].value()?, false);
    assert_eq!(outcomes[3].value()?["status"], 200);
    assert_eq!(outcomes[4].value()?, true);
    Ok(())
}

#[tokio::test]
async fn the_protected_service_refuses_as_its_decorator_does() -> Result<()> {
    let server = Jwthenticator::on_sqlite(&[]).await?;
    let service = ProtectedService::start(server.url()).await?;
    for (authorization, expected) in
        [(None, 403), (Some("Basic x"), 400), (Some("Bearer "), 400), (Some("Bearer a.b.c"), 401)]
    {
        let mut request = Request::get("/secure");
        if let Some(value) = authorization {
            request = request.authorization(value);
        }
        let answer = request.send(service.url()).await?;
        assert_eq!(answer.status, expected, "{authorization:?}: {answer:?}");
    }
    drop(server);
    let answer = Request::get("/secure").authorization("Bearer a.b.c").send(service.url()).await?;
    assert_eq!(answer.status, 500, "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn settings_are_taken() -> Result<()> {
    let settings =
        [("URL_PREFIX", "/auth"), ("DISABLE_INTERNAL_API", "1"), ("JWT_LEASE_TIME", "60")];
    let server = Jwthenticator::on_sqlite(&settings).await?;
    for (path, expected) in [("/auth/health", 200), ("/health", 404), ("/auth/register_key", 404)] {
        let request =
            if path.ends_with("key") { Request::post(path, "{}") } else { Request::get(path) };
        assert_eq!(request.send(server.url()).await?.status, expected, "{path}");
    }
    Ok(())
}
