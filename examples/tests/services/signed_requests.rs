//! A service with signed requests and its own account file.

use anyhow::Result;
use interop::{Original, Request, eventually};

use crate::support::{Place, Service};

const SERVICE: &str = env!("CARGO_BIN_EXE_signed-requests-service");
const CLIENT: &str = env!("CARGO_BIN_EXE_signed-requests-client");

async fn serve(place: &Place) -> Result<Service> {
    place.serve(place.command(SERVICE).args(["--listen", "127.0.0.1:0"])).await
}

fn place() -> Result<Place> {
    let place = Place::with("signed_requests/accounts.toml")?;
    place.key_pair("worker")?;
    place.key_pair("stranger")?;
    Ok(place)
}

#[tokio::test]
async fn a_caller_is_known_by_its_key() -> Result<()> {
    let place = place()?;
    let service = serve(&place).await?;
    let close = format!("{}/close", service.url);
    for (arguments, printed) in [
        (vec![service.url.as_str()], "200 OK\nHello, billing-worker!\n"),
        (vec!["--post", &close], "200 OK\nclosed\n"),
        (
            vec!["--key", "stranger", &service.url],
            "401 Unauthorized\n{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401}",
        ),
        (
            vec!["--account", "reporter", &service.url],
            "401 Unauthorized\n{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401}",
        ),
    ] {
        assert_eq!(place.run(CLIENT, &arguments)?, printed, "{arguments:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_originals_token_works_once_also_across_a_restart() -> Result<()> {
    let place = place()?;
    let mut service = serve(&place).await?;
    let key = ["file".into(), place.path("worker")];
    let signed = Original::V1_3.sign("billing-worker", &key)?;
    let request = Request::get("/").authorization(&signed.authorization);
    let answer = request.send(&service.url).await?;
    assert_eq!((answer.status, answer.body.as_str()), (200, "Hello, billing-worker!\n"));
    assert_eq!(request.send(&service.url).await?.status, 401);

    let beside = serve(&place).await.map(drop).unwrap_err();
    assert!(format!("{beside:#}").contains("in use"), "the nonces are one process's: {beside:#}");

    service.process.kill()?;
    let service = serve(&place).await?;
    assert_eq!(request.send(&service.url).await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn the_account_file_is_read_again_at_a_hangup() -> Result<()> {
    let place = place()?;
    let service = serve(&place).await?;
    let hello = || place.run(CLIENT, &[&service.url]);
    assert!(hello()?.starts_with("200 OK"));

    place.write("accounts.toml", "[accounts.nobody")?;
    service.process.hang_up()?;
    let stayed = "the accounts stay as they were";
    eventually(stayed, async || service.process.output().contains(stayed).then_some(())).await?;
    assert!(hello()?.starts_with("200 OK"));

    place.write("accounts.toml", "[accounts.nobody]")?;
    service.process.hang_up()?;
    eventually("one account", async || {
        service.process.output().contains("1 accounts").then_some(())
    })
    .await?;
    assert!(hello()?.starts_with("401 Unauthorized"));
    Ok(())
}
