//! The commands of `docs/installing.md`, as they stand there and in their order, from a package
//! until nothing is left of it. apt and the package's scripts are real; for what stands in systemd's
//! place see `Machine`, and in the place of Cargo, which made the package before, is a script.

use std::fs;

use anyhow::Result;
use interop::{DebianPackage, Machine, Page, Request, eventually};

const SETTINGS: &str = "/etc/countersign/countersign.toml";
const CARGO: &str = "#!/bin/sh
mkdir -p target/debian
mv package.deb target/debian/countersign_0.1.0_amd64.deb
echo made
echo target/debian/countersign_0.1.0_amd64.deb
";
/// What a reader brings along.
const CERTIFICATE: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc \
    -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out chain.pem 2>&1";

#[tokio::test]
async fn the_commands_of_the_page_do_what_it_says() -> Result<()> {
    let page = Page::read("installing.md")?;
    let machine = Machine::boot()?;
    machine.root().program("/usr/local/bin/cargo", CARGO)?;
    let older = DebianPackage::make("0.1.0")?;
    older.copy_to(&machine.path("/srv/package.deb"))?;
    let newer = DebianPackage::make("0.2.0")?.with_settings("# New in this release.\n")?;
    newer.copy_to(&machine.path("/srv/countersign_0.2.0_amd64.deb"))?;

    let (with_systemd, rest) = page.split_at("### Without systemd")?;
    machine.follow(&with_systemd).await?;
    machine.run(&["systemctl", "stop", "countersign"])?;
    let mut server = machine.begin(&rest.section("### Without systemd")?)?;
    let ready = async || machine.run(&["countersign", "health"]).ok();
    eventually("the server without systemd", ready).await?;
    server.terminate().await?;
    machine.run(&["systemctl", "start", "countersign"])?;

    machine.follow(&rest.section("## The first account")?).await?;
    machine.follow_with(CERTIFICATE, &rest.section("## Settings")?).await?;
    let settings = fs::read_to_string(machine.path(SETTINGS))?;
    assert!(settings.contains("\ntls_cert = ") && settings.contains("\nbootstrap_admin"));
    let plain = Request::get("/health/ready").send("http://127.0.0.1:8080").await;
    assert!(!plain.is_ok_and(|answer| answer.status == 200), "it speaks TLS");

    machine.follow(&rest.section("## Upgrade")?).await?;
    let version =
        machine.run(&["dpkg-query", "--show", "--showformat=${Version}", "countersign"])?;
    assert_eq!(version, "0.2.0");
    assert_eq!(fs::read_to_string(machine.path(SETTINGS))?, settings);
    let shipped = fs::read_to_string(machine.path(&format!("{SETTINGS}.dpkg-dist")))?;
    assert!(shipped.ends_with("# New in this release.\n"));
    machine.run(&["countersign", "account", "show", "robot"])?;

    let (remove, purge) = rest.section("## Remove it")?.split_at("stops the server")?;
    machine.follow(&remove).await?;
    assert!(!machine.path("/usr/bin/countersign").exists());
    assert!(machine.path("/var/lib/countersign/countersign.db").exists());
    assert!(Request::get("/").send("http://127.0.0.1:8080").await.is_err(), "it has stopped");
    machine.follow(&purge).await?;
    assert!(!machine.path("/var/lib/countersign").exists());
    assert!(!machine.path(SETTINGS).exists());
    assert!(machine.path("/etc/countersign/key.pem").exists(), "it is the operator's");
    machine.run(&["id", "countersign"])?;
    Ok(())
}
