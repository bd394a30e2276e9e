//! The commands of `docs/running.md`, as they stand there, on a machine with the Debian package.

use anyhow::{Context as _, Result, ensure};
use interop::{DebianPackage, Machine, Page};

#[tokio::test]
async fn the_commands_of_the_page_do_what_it_says() -> Result<()> {
    let machine = Machine::boot()?;
    machine.root().install(&DebianPackage::make("0.0.1")?)?;
    machine.run(&["countersign", "key", "generate", "--out", "/srv/old.key"])?;
    machine.run(&["countersign", "account", "create", "robot"])?;
    machine.run(&["countersign", "key", "add", "robot", "/srv/old.key.pub"])?;
    let shown = machine.run(&["countersign", "key", "show", "/srv/old.key.pub", "-o", "json"])?;
    let shown: serde_json::Value = serde_json::from_str(&shown)?;
    let old = shown["fingerprints"]["openssh"].as_str().context("a fingerprint")?;

    let page = Page::read("running.md")?;
    ensure!(page.typed()?.len() > 8, "the page has commands: {page:?}");
    machine.follow_with(&format!("OLD_FINGERPRINT={old}"), &page).await?;

    // What the page says has become of it.
    let keys = machine.run(&["countersign", "key", "list", "robot", "-o", "json"])?;
    let keys: serde_json::Value = serde_json::from_str(&keys)?;
    let revoked = |number: usize| !keys["keys"][number]["revoked_at"].is_null();
    ensure!(revoked(0) && !revoked(1), "{keys}");
    let trail = machine.run(&["countersign", "audit", "list"])?;
    for act in ["account.disable", "account.enable", "key.revoke", "admin.recover"] {
        ensure!(trail.contains(act), "no {act} in {trail}");
    }
    Ok(())
}
