//! jwthenticator's own clients and its decorator against our server, on both
//! databases. What they do against their own is in `jwthenticator.rs`.

use anyhow::{Context as _, Result};
use countersign_testbed::{Durability, Postgres, fresh_database};
use interop::{Countersign, Outcome, ProtectedService, Request, Session, Step, eventually};
use serde_json::{Value, json};

const IDENTIFIER: &str = "5d8f6a3a-2e5b-4c0e-9a53-6a7b9d0c1e2f";
const OTHER: &str = "0198c0de-0000-7000-8000-000000000000";
const KEY: &str = "a key of a caller";
const REFRESH: Step = Step::Refresh { auth_on_fail: false };

async fn on_sqlite(options: &[&str]) -> Result<Countersign> {
    Countersign::start_with(options).await
}

async fn on_postgres(options: &[&str]) -> Result<Countersign> {
    let database = fresh_database().await?;
    Countersign::start_on_postgres(database.url(), options).await
}

/// Both clients, each at its listener.
fn session(server: &Countersign) -> Session {
    Session {
        internal: server.internal_url().into(),
        ..Session::with_key(server.url(), IDENTIFIER, KEY)
    }
}

/// The same with what a client was given before.
fn kept(server: &Countersign, outcome: &Outcome) -> Session {
    Session {
        jwt: outcome.jwt.clone(),
        refresh_token: outcome.refresh_token.clone(),
        ..session(server)
    }
}

fn registered() -> Step {
    Step::RegisterKey(KEY.into())
}

fn is_registered(key: &str) -> Step {
    Step::IsKeyRegistered(key.into())
}

fn error(outcome: &Outcome) -> &str {
    outcome.error.as_deref().unwrap_or("none")
}

/// From a key that nobody knows to answers of the protected service, and on after
/// `kill -9`.
async fn assert_the_whole_way(mut server: Countersign) -> Result<()> {
    let service = ProtectedService::start(server.url()).await?;
    let outcomes = session(&server).run(&[
        is_registered(KEY),
        registered(),
        registered(),
        is_registered(KEY),
        is_registered("another"),
        Step::Authenticate,
        Step::Validate,
        REFRESH,
        Step::Validate,
        Step::Get(service.secure()),
        Step::Post(service.secure(), "hello".into()),
    ])?;
    let values: Vec<&Value> = outcomes.iter().map(Outcome::value).collect::<Result<_>>()?;
    let (yes, no, nothing) = (&json!(true), &json!(false), &Value::Null);
    assert_eq!(values[..5], [no, nothing, nothing, yes, no]);
    assert_eq!(values[5..9], [nothing, yes, nothing, yes]);
    for (value, method, body) in [(values[9], "GET", ""), (values[10], "POST", "hello")] {
        assert_eq!(value["status"], 200);
        let seen: Value = serde_json::from_str(value["body"].as_str().unwrap_or_default())?;
        assert_eq!(seen, json!({"method": method, "body": body}));
    }
    let (authenticated, refreshed) = (&outcomes[5], &outcomes[7]);
    let claims = authenticated.unverified_claims()?;
    assert_eq!((&claims["identifier"], &claims["sub"]), (&json!(IDENTIFIER), &json!(IDENTIFIER)));
    assert_ne!(authenticated.jwt, refreshed.jwt);
    assert_eq!(authenticated.refresh_token.as_deref().map(str::len), Some(128));
    assert_eq!(authenticated.refresh_token, refreshed.refresh_token);

    server.restart().await?;
    let steps = [Step::Validate, REFRESH, Step::Authenticate];
    let outcomes = kept(&server, refreshed).run(&steps)?;
    assert_eq!(outcomes[0].value()?, true);
    assert!(outcomes.iter().all(|outcome| outcome.error.is_none()), "{outcomes:?}");
    Ok(())
}

#[tokio::test]
async fn the_whole_way_on_sqlite() -> Result<()> {
    assert_the_whole_way(on_sqlite(&[]).await?).await
}

#[tokio::test]
async fn the_whole_way_below_rate_limits() -> Result<()> {
    let limits = ["--rate-limit-per-address=1000/s", "--rate-limit-per-credential=1000/s"];
    assert_the_whole_way(on_sqlite(&limits).await?).await
}

#[tokio::test]
async fn a_client_over_its_rate_limit_keeps_its_key_and_its_tokens() -> Result<()> {
    let server = on_sqlite(&["--rate-limit-per-credential=1/h"]).await?;
    let steps = [registered(), Step::Authenticate, REFRESH, Step::Authenticate, Step::Validate];
    let outcomes = session(&server).run(&steps)?;
    assert_eq!(error(&outcomes[1]), "none", "{outcomes:?}");
    assert_eq!((error(&outcomes[2]), error(&outcomes[3])), ("RefreshError", "AuthenticationError"));
    assert!(outcomes[3].refresh_token.is_some() && outcomes[3].has_key, "{outcomes:?}");
    assert_eq!(outcomes[4].value()?, true, "an account's tokens are counted apart");
    Ok(())
}

#[tokio::test]
async fn the_whole_way_on_postgres() -> Result<()> {
    assert_the_whole_way(on_postgres(&[]).await?).await
}

/// Long enough that a busy machine still uses a token while it is good.
const SHORT: [&str; 2] = ["--access-token-lifetime", "3s"];

async fn assert_renewed(server: Countersign) -> Result<()> {
    let service = ProtectedService::start(server.url()).await?;
    let outcomes = session(&server).run(&[
        registered(),
        Step::Authenticate,
        Step::AwaitExpiry,
        Step::Validate,
        Step::Get(service.secure()),
    ])?;
    let [_, authenticated, expired, validated, got] = &outcomes[..] else { unreachable!() };
    assert!(expired.jwt_expired && expired.jwt == authenticated.jwt, "{outcomes:?}");
    assert_eq!(validated.value()?, false);
    assert_eq!(got.value()?["status"], 200);
    assert_ne!(got.jwt, authenticated.jwt);
    // It has refreshed: authenticating would have brought another of these.
    assert_eq!(got.refresh_token, authenticated.refresh_token);
    Ok(())
}

#[tokio::test]
async fn a_client_renews_what_has_expired_on_sqlite() -> Result<()> {
    assert_renewed(on_sqlite(&SHORT).await?).await
}

#[tokio::test]
async fn a_client_renews_what_has_expired_on_postgres() -> Result<()> {
    assert_renewed(on_postgres(&SHORT).await?).await
}

fn assert_refusals(server: &Countersign) -> Result<()> {
    let outcomes = session(server).run(&[registered(), Step::Authenticate])?;
    let good = kept(server, &outcomes[1]);

    // A client forgets what a 401 was the answer to, and only then.
    let wrong_key = Session { key: Some("another".into()), ..session(server) };
    let outcomes = wrong_key.run(&[Step::Authenticate])?;
    assert_eq!((error(&outcomes[0]), outcomes[0].has_key), ("AuthenticationError", false));

    // Neither a key nor a refresh token speaks for another identifier.
    let other = Session { identifier: OTHER.into(), ..good.clone() };
    let outcomes = other.run(&[REFRESH, Step::Authenticate, registered(), is_registered(KEY)])?;
    assert_eq!((error(&outcomes[0]), outcomes[0].has_key), ("RefreshError", true));
    assert_eq!(outcomes[0].refresh_token, None);
    assert_eq!((error(&outcomes[1]), outcomes[1].has_key), ("AuthenticationError", false));
    assert_eq!((error(&outcomes[2]), outcomes[2].message.as_str()), ("RegisterKeyError", "409"));
    assert_eq!(outcomes[3].value()?, true);

    let empty = &good.run(&[Step::RegisterKey(String::new())])?[0];
    assert_eq!((error(empty), empty.message.as_str()), ("RegisterKeyError", "400"));

    // The first holder has noticed nothing.
    let outcomes = good.run(&[Step::Validate, REFRESH, Step::Authenticate])?;
    assert!(outcomes.iter().all(|outcome| outcome.error.is_none()), "{outcomes:?}");

    server.run(&["account", "disable", IDENTIFIER])?;
    let steps = [Step::Validate, is_registered(KEY), registered(), REFRESH, Step::Authenticate];
    let outcomes = good.run(&steps)?;
    assert_eq!((outcomes[0].value()?, outcomes[1].value()?), (&json!(false), &json!(false)));
    assert_eq!((error(&outcomes[2]), outcomes[2].message.as_str()), ("RegisterKeyError", "409"));
    assert_eq!((error(&outcomes[3]), outcomes[3].refresh_token.as_deref()), ("RefreshError", None));
    assert_eq!((error(&outcomes[4]), outcomes[4].has_key), ("AuthenticationError", false));

    server.run(&["account", "enable", IDENTIFIER])?;
    let outcomes = good.run(&[Step::Validate, REFRESH, Step::Authenticate])?;
    assert_eq!(outcomes[0].value()?, true);
    assert!(outcomes.iter().all(|outcome| outcome.error.is_none()), "{outcomes:?}");
    Ok(())
}

#[tokio::test]
async fn clients_hear_of_refusals_on_sqlite() -> Result<()> {
    assert_refusals(&on_sqlite(&[]).await?)
}

#[tokio::test]
async fn clients_hear_of_refusals_on_postgres() -> Result<()> {
    assert_refusals(&on_postgres(&[]).await?)
}

#[tokio::test]
async fn a_client_keeps_its_key_while_the_database_is_away() -> Result<()> {
    let mut postgres = Postgres::of_its_own(Durability::Relaxed)?;
    let database = postgres.fresh_database().await?;
    let mut server = Countersign::start_with(&["--database-url", database.url()]).await?;
    let outcomes = session(&server).run(&[registered(), Step::Authenticate])?;
    // A refresh token that this process has seen needs no database.
    server.restart().await?;
    let good = kept(&server, &outcomes[1]);

    postgres.stop()?;
    let outcomes = good.run(&[REFRESH, Step::Authenticate, registered()])?;
    assert_eq!((error(&outcomes[0]), error(&outcomes[1])), ("RefreshError", "AuthenticationError"));
    assert!(outcomes[1].refresh_token.is_some() && outcomes[1].has_key, "{outcomes:?}");
    assert_eq!((error(&outcomes[2]), outcomes[2].message.as_str()), ("RegisterKeyError", "503"));

    postgres.start_again()?;
    eventually("a token after the outage", async || {
        let outcomes = good.run(&[REFRESH, Step::Authenticate]).ok()?;
        outcomes.iter().all(|outcome| outcome.error.is_none()).then_some(())
    })
    .await
}

#[tokio::test]
async fn the_protected_service_refuses_as_its_decorator_does() -> Result<()> {
    let server = on_sqlite(&[]).await?;
    let service = ProtectedService::start(server.url()).await?;
    let outcomes = session(&server).run(&[registered(), Step::Authenticate])?;
    let bearer = format!("Bearer {}", outcomes[1].jwt.as_deref().context("no token")?);
    let cases = [
        (None, 403),
        (Some("Basic x"), 400),
        (Some("Bearer "), 400),
        (Some("Bearer a.b.c"), 401),
        (Some(&bearer[..bearer.len() - 4]), 401),
        (Some(&bearer), 200),
    ];
    for (authorization, expected) in cases {
        let mut request = Request::get("/secure");
        if let Some(value) = authorization {
            request = request.authorization(value);
        }
        let answer = request.send(service.url()).await?;
        assert_eq!(answer.status, expected, "{authorization:?}: {answer:?}");
    }
    server.run(&["account", "disable", IDENTIFIER])?;
    let answer = Request::get("/secure").authorization(&bearer).send(service.url()).await?;
    assert_eq!(answer.status, 401, "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn both_clients_work_at_one_url_below_a_prefix() -> Result<()> {
    let server = on_sqlite(&["--registration", "public", "--url-prefix", "/auth"]).await?;
    let url = format!("{}/auth", server.url());
    let service = ProtectedService::start(&url).await?;
    let session = Session::with_key(&url, IDENTIFIER, KEY);
    let steps = [registered(), is_registered(KEY), REFRESH, Step::Get(service.secure())];
    let outcomes = session.run(&steps)?;
    assert_eq!(outcomes[1].value()?, true);
    assert_eq!(outcomes[3].value()?["status"], 200);
    Ok(())
}

#[tokio::test]
async fn what_is_switched_off_is_not_there() -> Result<()> {
    let server = on_sqlite(&["--registration", "off", "--external-api", "false"]).await?;
    // At the internal listener nobody learns that who has not signed.
    for (url, expected) in [(server.url(), "404"), (server.internal_url(), "401")] {
        let session = Session::with_key(url, IDENTIFIER, KEY);
        let outcomes = session.run(&[registered(), is_registered(KEY)])?;
        let said = [&outcomes[0], &outcomes[1]].map(|o| (error(o), o.message.as_str()));
        assert_eq!(said, [("RegisterKeyError", expected), ("IsKeyRegisteredError", expected)]);
    }
    let outcomes = session(&server).run(&[Step::Authenticate])?;
    assert_eq!((error(&outcomes[0]), outcomes[0].has_key), ("AuthenticationError", true));

    // Registering is not for the public listener, unless one says so.
    let server = on_sqlite(&[]).await?;
    let outcomes = Session::with_key(server.url(), IDENTIFIER, KEY).run(&[registered()])?;
    assert_eq!((error(&outcomes[0]), outcomes[0].message.as_str()), ("RegisterKeyError", "404"));
    Ok(())
}
