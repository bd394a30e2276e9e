//! The Debian package in a system of its own, from its installation until nothing is left of it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use anyhow::Result;
use interop::{DebianPackage, DebianRoot};

const SETTINGS: &str = "/etc/countersign/countersign.toml";
const DATA: &str = "/var/lib/countersign";
/// Who owns them, and who may do what with them.
const OWNERS: &str = "\
    /etc/countersign root:countersign 750\n\
    /etc/countersign/countersign.toml root:countersign 640\n\
    /var/lib/countersign countersign:countersign 700\n";
/// What a user looks for, in the places where Debian's programs look for it.
const FILES: [&str; 8] = [
    "/usr/bin/countersign",
    "/usr/lib/systemd/system/countersign.service",
    "/usr/share/bash-completion/completions/countersign",
    "/usr/share/doc/countersign/copyright",
    "/usr/share/fish/vendor_completions.d/countersign.fish",
    "/usr/share/man/man1/countersign.1.gz",
    "/usr/share/man/man1/countersign-serve.1.gz",
    "/usr/share/zsh/vendor-completions/_countersign",
];

#[tokio::test]
async fn what_the_server_knows_outlasts_upgrade_and_removal_but_not_purge() -> Result<()> {
    let (older, newer) = (DebianPackage::make("0.0.1")?, DebianPackage::make("0.0.2")?);
    let system = DebianRoot::unpack()?;
    system.install(&older)?;
    for file in FILES {
        assert!(system.path(file).is_file(), "{file}");
    }
    assert_eq!(owners(&system)?, OWNERS);

    let server = system.serve().await?;
    assert!(server.is_ready("/health/ready").await?);
    system.run(&["countersign", "account", "create", "robot"])?;
    server.stop().await?;
    // As docs/installing.md has it, for who has lost every administrator's key.
    system.run(&[
        "runuser",
        "-u",
        "countersign",
        "--",
        "countersign",
        "admin",
        "recover",
        "--data-dir",
        DATA,
    ])?;

    // An upgrade takes nothing back that the administrator has changed.
    let mut settings = OpenOptions::new().append(true).open(system.path(SETTINGS))?;
    writeln!(settings, "url_prefix = \"/changed\"")?;
    system.install(&newer)?;
    assert_eq!(version(&system)?, "0.0.2");
    assert!(fs::read_to_string(system.path(SETTINGS))?.ends_with("url_prefix = \"/changed\"\n"));
    assert_eq!(owners(&system)?, OWNERS);
    let server = system.serve().await?;
    assert!(server.is_ready("/changed/health/ready").await?);
    system.run(&["countersign", "account", "show", "robot"])?;
    server.stop().await?;

    system.run(&["dpkg", "--remove", "countersign"])?;
    assert!(!system.path("/usr/bin/countersign").exists());
    assert_eq!(owners(&system)?, OWNERS);
    system.install(&newer)?;
    let server = system.serve().await?;
    system.run(&["countersign", "account", "show", "robot"])?;
    server.stop().await?;

    system.run(&["dpkg", "--purge", "countersign"])?;
    assert!(!system.path(DATA).exists());
    assert!(!system.path("/etc/countersign").exists());
    // No other user gets its number.
    system.run(&["id", "countersign"])?;
    Ok(())
}

/// With the options that docs/installing.md tells.
#[tokio::test]
async fn new_settings_replace_those_that_nobody_has_changed() -> Result<()> {
    let older = DebianPackage::make("0.0.1")?;
    let newer = DebianPackage::make("0.0.2")?.with_settings("url_prefix = \"/new\"\n")?;
    let beside = format!("{SETTINGS}.dpkg-dist");

    for (changed, prefix) in [(None, "/new"), (Some("url_prefix = \"/changed\""), "/changed")] {
        let system = DebianRoot::unpack()?;
        system.install(&older)?;
        if let Some(line) = changed {
            let mut settings = OpenOptions::new().append(true).open(system.path(SETTINGS))?;
            writeln!(settings, "{line}")?;
        }
        system.install(&newer)?;
        assert_eq!(version(&system)?, "0.0.2");
        assert_eq!(owners(&system)?, OWNERS);
        let settings = fs::read_to_string(system.path(SETTINGS))?;
        assert!(settings.ends_with(&format!("\nurl_prefix = \"{prefix}\"\n")), "{settings}");
        let shipped = fs::read_to_string(system.path(&beside));
        assert_eq!(shipped.is_ok_and(|text| text.ends_with("\"/new\"\n")), changed.is_some());

        let server = system.serve().await?;
        assert!(server.is_ready(&format!("{prefix}/health/ready")).await?);
        server.stop().await?;
    }
    Ok(())
}

fn owners(system: &DebianRoot) -> Result<String> {
    system.run(&["stat", "--format=%n %U:%G %a", "/etc/countersign", SETTINGS, DATA])
}

fn version(system: &DebianRoot) -> Result<String> {
    system.run(&["dpkg-query", "--show", "--showformat=${Version}", "countersign"])
}
