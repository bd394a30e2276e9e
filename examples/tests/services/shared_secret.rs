//! A hyper service that is told by its configuration whose tokens it takes.

use anyhow::Result;
use interop::Request;

use crate::support::{Place, Service};

const SERVICE: &str = env!("CARGO_BIN_EXE_shared-secret-service");
const CLIENT: &str = env!("CARGO_BIN_EXE_shared-secret-client");

fn place() -> Result<Place> {
    let place = Place::with("shared_secret/service.toml")?;
    place.write("secret", "correct horse battery staple and more\n")?;
    place.write("other", "another horse, another battery, another staple\n")?;
    Ok(place)
}

/// A service in whose environment these variables are.
async fn serve(place: &Place, variables: &[(&str, &str)]) -> Result<Service> {
    let mut command = place.command(SERVICE);
    // As Kubernetes sets it for a service of this name.
    command.env("BOOKS_PORT", "tcp://10.0.0.7:80");
    command.env("BOOKS_SERVICE__LISTEN", "127.0.0.1:0").envs(variables.iter().copied());
    place.serve(&mut command).await
}

#[tokio::test]
async fn a_caller_makes_its_tokens_itself() -> Result<()> {
    let place = place()?;
    let service = serve(&place, &[]).await?;
    for (arguments, status) in [
        (vec![], "200 OK\nHello, billing-worker!\n"),
        (vec!["--secret", "other"], "401 Unauthorized\n"),
        (vec!["--group", "visitors"], "403 Forbidden\n"),
        (vec!["--account", "intern"], "403 Forbidden\n"),
    ] {
        let arguments = [arguments, vec![service.url.as_str()]].concat();
        let printed = place.run(CLIENT, &arguments)?;
        assert!(printed.starts_with(status), "{arguments:?}: {printed}");
    }
    let nobody = Request::get("/").send(&service.url).await?;
    assert_eq!(
        (nobody.status, nobody.all("www-authenticate")),
        (401, vec!["Bearer realm=\"books\""])
    );
    Ok(())
}

#[tokio::test]
async fn the_environment_takes_precedence() -> Result<()> {
    let place = place()?;
    let variables = [
        ("BOOKS_SERVICE__AUTH__AUDIENCES", "ledgers, accounts"),
        ("BOOKS_SERVICE__AUTH__LEEWAY", "2m"),
    ];
    let service = serve(&place, &variables).await?;
    assert!(place.run(CLIENT, &[&service.url])?.starts_with("401 Unauthorized"));

    for (name, value, expected) in [
        ("BOOKS_SERVICE__AUTH__AUDIENCE", "books", "unknown field `audience`"),
        ("BOOKS_SERVICE__AUTH__ISSUERS", "", "the list is empty"),
        ("BOOKS_SERVICE__AUTH__LEEWAY", "2h", "a leeway or a tolerance of more than 60 minutes"),
        ("BOOKS_SERVICE__AUTH__LEEWAY", "10", "`10` is no duration"),
        ("BOOKS_SERVICE__AUTH__JWKS_URL", "https://auth.example/jwks", "only one of them"),
        ("BOOKS_SERVICE__AUTH__ALGORITHMS", "none", "`none` is no algorithm"),
        ("BOOKS_SERVICE__AUTH__ALGORITHMS", "RS256", "RS256 takes another kind of key"),
    ] {
        let error = serve(&place, &[(name, value)]).await.map(|_| ()).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(expected), "{name}={value}: {error}");
    }
    Ok(())
}
