//! A service behind nginx, which asks a Countersign server.

use anyhow::Result;
use interop::{Countersign, Nginx, Request, Site};

use crate::support::Place;

const SERVICE: &str = env!("CARGO_BIN_EXE_behind-nginx-service");
const CLIENT: &str = env!("CARGO_BIN_EXE_behind-nginx-client");
/// The client that can send a POST.
const OTHER_CLIENT: &str = env!("CARGO_BIN_EXE_signed-requests-client");

#[tokio::test]
async fn the_service_knows_whom_nginx_lets_through() -> Result<()> {
    let place = Place::new()?;
    for name in ["worker", "intern", "stranger"] {
        place.key_pair(name)?;
    }
    let server = Countersign::start().await?;
    server.run(&["account", "create", "billing-worker", "--group", "billing"])?;
    server.run(&["account", "create", "intern"])?;
    for (account, key) in [("billing-worker", "worker.pub"), ("intern", "intern.pub")] {
        server.run(&["key", "add", account, &place.path(key).to_string_lossy()])?;
    }
    let service = place.serve(place.command(SERVICE).args(["--listen", "127.0.0.1:0"])).await?;
    let nginx = Nginx::start(&Site {
        countersign: vec![server.address().to_owned()],
        application: service.address().to_owned(),
        ..Site::default()
    })
    .await?;

    assert_eq!(place.run(CLIENT, &[nginx.url()])?, "200 OK\nHello, billing-worker!\n");
    assert!(place.run(CLIENT, &["--key", "stranger", nginx.url()])?.starts_with("401"));
    let close = format!("{}/close", nginx.url());
    assert_eq!(place.run(OTHER_CLIENT, &["--post", &close])?, "200 OK\nclosed\n");
    let intern = ["--account", "intern", "--key", "intern", "--post", &close];
    assert!(place.run(OTHER_CLIENT, &intern)?.starts_with("403 Forbidden"));

    // Who does not come through nginx is nobody, unless it says otherwise: that is why
    // nobody else may reach the service.
    assert_eq!(Request::get("/").send(&service.url).await?.status, 401);
    let twice = Request::get("/").line("x-auth-account", "a").line("x-auth-account", "b");
    assert_eq!(twice.send(&service.url).await?.status, 401);
    Ok(())
}
