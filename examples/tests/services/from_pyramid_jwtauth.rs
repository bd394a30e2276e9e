//! The commands of `docs/from-pyramid-jwtauth.md` as they stand there: from the original to a
//! service with the same secret, and back, with the original's own caller.

use std::fs;

use anyhow::Result;
use interop::{Machine, Minted, Page, Request, pyramid_authorizations, serve_pyramid};
use serde_json::json;

const SERVICE: &str = env!("CARGO_BIN_EXE_shared-secret-service");
const SECRET: &str = "correct horse battery staple and more";
const NGINX: &str = "http://127.0.0.1:8000";
/// The end of the tokens, in the year 2100.
const LATER: u64 = 4_102_444_800;

/// Who greets the caller through nginx, and that nobody greets a stranger.
async fn greeting(known: &str, stranger: &str) -> Result<String> {
    let refused = Request::get("/").authorization(stranger).send(NGINX).await?;
    assert_eq!(refused.status, 401, "{refused:?}");
    let answer = Request::get("/").authorization(known).send(NGINX).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    Ok(answer.body)
}

#[tokio::test]
async fn the_commands_lead_there_and_back() -> Result<()> {
    let page = Page::read("from-pyramid-jwtauth.md")?;
    let machine = Machine::boot()?;
    fs::copy(SERVICE, machine.path("/usr/local/bin/shared-secret-service"))?;
    machine.start_nginx_before("http://127.0.0.1:9000", "app.conf")?;
    let application = machine.path("/srv/app");
    fs::create_dir(&application)?;
    let settings = application.join("production.ini");
    let lines = [
        "[app:main]",
        &format!("jwtauth.master_secret = {SECRET}"),
        "jwtauth.find_groups = __main__:find_groups\n",
    ];
    fs::write(&settings, lines.join("\n"))?;
    let _pyramid = serve_pyramid(&settings, 9000).await?;

    let minted = |secret: &str| Minted {
        claims: json!({"sub": "billing-worker", "groups": ["billing"], "exp": LATER}),
        key: secret.to_owned(),
        algorithm: "HS256".to_owned(),
    };
    let strangers = "another secret, which is long enough";
    let headers = pyramid_authorizations(&[minted(SECRET), minted(strangers)])?;
    let (known, stranger) = (&headers[0], &headers[1]);
    assert!(greeting(known, stranger).await?.contains("Pyramid greets billing-worker."));

    let own = format!("AUTHORIZATION='{known}'");
    machine.follow_with(&own, &page.section("## In ten minutes")?).await?;
    assert!(greeting(known, stranger).await?.contains("Hello, billing-worker!"));

    machine.follow(&page.section("## The way back")?).await?;
    assert!(greeting(known, stranger).await?.contains("Pyramid greets billing-worker."));
    Ok(())
}
