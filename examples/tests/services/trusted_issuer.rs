//! A service that trusts the keys which a Countersign server publishes.

use anyhow::Result;
use interop::{Countersign, Request, capture, eventually};

use crate::support::{Place, Service};

const SERVICE: &str = env!("CARGO_BIN_EXE_trusted-issuer-service");
const CLIENT: &str = env!("CARGO_BIN_EXE_trusted-issuer-client");
const IDENTIFIER: &str = "5d8f6a3a-2e5b-4c0e-9a53-6a7b9d0c1e2f";
const API_KEY: &str = "the key of a caller";
const ISSUER: &str = "https://auth.example";

async fn serve(place: &Place, server: &Countersign, audience: &str) -> Result<Service> {
    let mut command = place.command(SERVICE);
    command.args(["--listen", "127.0.0.1:0", "--dangerous-allow-insecure-jwks"]);
    command.arg("--jwks-url").arg(format!("{}/jwks", server.url()));
    command.args(["--issuer", ISSUER, "--audience", audience]);
    let service = place.serve(&mut command).await?;
    // Until the keys are there, it cannot say who has a good token.
    eventually("the issuer's keys", async || {
        let request = Request::get("/").authorization("Bearer a.b.c");
        let answer = request.send(&service.url).await.ok()?;
        (answer.status == 401).then_some(())
    })
    .await?;
    Ok(service)
}

#[tokio::test]
async fn a_caller_swaps_its_api_key_for_a_token_that_the_service_takes() -> Result<()> {
    let options = ["--issuer", ISSUER, "--token-audiences", "books"];
    let server = Countersign::start_with(&options).await?;
    let token = server.access_token(API_KEY, IDENTIFIER).await?;
    let place = Place::new()?;
    let service = serve(&place, &server, "books").await?;
    let call = |path: &str, service: &Service| {
        let mut command = place.command(CLIENT);
        command.args(["--countersign", server.url(), "--identifier", IDENTIFIER]);
        capture(command.env("API_KEY", API_KEY).arg(format!("{}{path}", service.url)))
    };
    assert_eq!(call("/", &service)?, format!("200 OK\nHello, {IDENTIFIER}!\n"));
    assert!(call("/expiry", &service)?.starts_with("200 OK\n{\"exp\":"));
    assert_eq!(Request::get("/").send(&service.url).await?.status, 401);

    let other = Place::new()?;
    let other = serve(&other, &server, "other books").await?;
    assert!(call("/", &other)?.starts_with("401 Unauthorized"));
    let shown = Request::get("/").authorization(&format!("Bearer {token}"));
    assert_eq!(shown.send(&service.url).await?.status, 200);
    assert_eq!(shown.send(&other.url).await?.status, 401);
    Ok(())
}
