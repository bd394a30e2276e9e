//! The image that our `Dockerfile` makes, built and run. Building it takes most of the time,
//! so one test has all that is done with it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use countersign_core::KeyKind;
use countersign_testbed::fresh_database;
use interop::{
    AUTHORITIES, Caller, Container, Image, Request, Volume, capture, eventually, repository, tool,
};

#[test]
fn hadolint_has_nothing_to_say() -> Result<()> {
    let hadolint = tool("COUNTERSIGN_TEST_CONTAINERS")?.with_file_name("hadolint");
    capture(Command::new(hadolint).arg("--no-color").arg(repository().join("Dockerfile"))).map(drop)
}

#[tokio::test]
async fn the_image_runs_read_only_as_a_user_without_rights() -> Result<()> {
    let image = Image::build(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    it_says_how_it_is_run(&image)?;
    it_runs_by_itself(&image).await?;
    it_runs_on_postgres(&image).await
}

fn it_says_how_it_is_run(image: &Image) -> Result<()> {
    let config = image.config();
    assert_eq!(config.user, "65532:65532", "a number, and not root's");
    assert_eq!(config.entrypoint, ["/usr/local/bin/countersign"]);
    assert_eq!(config.cmd, ["serve"]);
    assert_eq!(config.volumes.keys().collect::<Vec<_>>(), ["/var/lib/countersign"]);
    assert!(config.env.contains(&"COUNTERSIGN_LISTEN=0.0.0.0:8080".to_owned()), "{config:?}");
    let authorities = image.root().join("etc/ssl/certs/ca-certificates.crt");
    assert_eq!(fs::read_to_string(authorities)?, AUTHORITIES);
    ensure!(!image.root().join("source").exists(), "the build's files are in the image");
    Ok(())
}

/// As `docs/containers.md` has it for one container.
async fn it_runs_by_itself(image: &Image) -> Result<()> {
    let volume = Volume::new(image)?;
    let container = volume.serve(None).await?;
    assert_eq!(volume.health()?, "ready\n");
    a_signed_request_is_allowed_once(&volume, &container).await?;
    assert_eq!(volume.strangers_files(65532)?, ["robot.pub"], "it runs as its user");

    let elsewhere = volume.run(&["key", "generate", "--out", "/usr/local/key"]);
    let refused = format!("{:?}", elsewhere.expect_err("it wrote into the image"));
    assert!(refused.contains("Read-only file system"), "{refused}");

    // As the first process of a container it has no signal handlers but its own.
    let said = container.stop().await?;
    assert!(said.contains("stopped"), "{said}");
    let unwell = format!("{:?}", volume.health().expect_err("nobody is there"));
    assert!(unwell.contains("exit status: 4"), "{unwell}");
    Ok(())
}

/// As `docs/containers.md` has it for `compose.yaml`.
async fn it_runs_on_postgres(image: &Image) -> Result<()> {
    let database = fresh_database().await?;
    let volume = Volume::new(image)?;
    let key = "/var/lib/countersign/admin.key";
    volume.run(&["key", "generate", "--out", key])?;
    let public = volume.run(&["key", "convert", key, "--to", "openssh", "--public"])?;
    let settings = format!(
        "database_url = \"{}\"\nbootstrap_admin_public_key = \"{}\"\n",
        database.url(),
        public.trim_end()
    );
    let settings = volume.file("countersign.toml", settings)?;
    let container = volume.serve(Some(&["serve", "--config", &settings])).await?;
    assert_eq!(volume.health()?, "ready\n");
    a_signed_request_is_allowed_once(&volume, &container).await?;

    // Nothing of a test outlives it, even if it fails and stops nothing.
    drop(container);
    let is_gone = async || volume.health().is_err().then_some(());
    eventually("the end of the container", is_gone).await
}

async fn a_signed_request_is_allowed_once(
    volume: &Volume<'_>,
    container: &Container,
) -> Result<()> {
    let caller = Caller::new("robot", KeyKind::Ed25519)?;
    let key = volume.file("robot.pub", fs::read(caller.public_key())?)?;
    volume.run(&["account", "create", "robot"])?;
    volume.run(&["key", "add", "robot", &key])?;
    let request = Request::get("/forward-auth").authorization(&caller.authorization()?);
    let allowed = request.send(container.url()).await?;
    assert_eq!((allowed.status, allowed.all("x-auth-account")), (200, vec!["robot"]));
    assert_eq!(request.send(container.url()).await?.status, 401, "once");
    Ok(())
}
