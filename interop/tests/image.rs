//! The image that our `Dockerfile` makes, built and run. Building it takes most of the time,
//! so one test follows it from its file to its end.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use countersign_core::KeyKind;
use interop::{AUTHORITIES, Caller, Container, Image, Request, capture, repository, tool};

#[test]
fn hadolint_has_nothing_to_say() -> Result<()> {
    let hadolint = tool("COUNTERSIGN_TEST_CONTAINERS")?.with_file_name("hadolint");
    capture(Command::new(hadolint).arg("--no-color").arg(repository().join("Dockerfile"))).map(drop)
}

#[tokio::test]
async fn the_image_runs_read_only_as_a_user_without_rights() -> Result<()> {
    let image = Image::build(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    let config = image.config();
    assert_eq!(config.user, "65532:65532", "a number, and not root's");
    assert_eq!(config.entrypoint, ["/usr/local/bin/countersign"]);
    assert_eq!(config.cmd, ["serve"]);
    assert_eq!(config.volumes.keys().collect::<Vec<_>>(), ["/var/lib/countersign"]);
    assert!(config.env.contains(&"COUNTERSIGN_LISTEN=0.0.0.0:8080".to_owned()), "{config:?}");
    let authorities = image.root().join("etc/ssl/certs/ca-certificates.crt");
    assert_eq!(fs::read_to_string(authorities)?, AUTHORITIES);
    ensure!(!image.root().join("source").exists(), "the build's files are in the image");

    let mut container = Container::start(&image).await?;
    assert_eq!(container.health()?, "ready\n");

    let caller = Caller::new("robot", KeyKind::Ed25519)?;
    let key = container.file("robot.pub", caller.public_key())?;
    container.run(&["account", "create", "robot"])?;
    container.run(&["key", "add", "robot", &key])?;
    let request = Request::get("/forward-auth").authorization(&caller.authorization()?);
    let allowed = request.send(container.url()).await?;
    assert_eq!((allowed.status, allowed.all("x-auth-account")), (200, vec!["robot"]));
    assert_eq!(request.send(container.url()).await?.status, 401, "once");
    assert_eq!(container.strangers_files(65532)?, ["robot.pub"], "it runs as its user");

    let elsewhere = container.run(&["key", "generate", "--out", "/usr/local/key"]);
    let refused = format!("{:?}", elsewhere.expect_err("it wrote into the image"));
    assert!(refused.contains("Read-only file system"), "{refused}");

    // As the first process of a container it has no signal handlers but its own.
    let said = container.stop().await?;
    assert!(said.contains("stopped"), "{said}");
    let unwell = format!("{:?}", container.health().expect_err("nobody is there"));
    assert!(unwell.contains("exit status: 4"), "{unwell}");
    Ok(())
}
