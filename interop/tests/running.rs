//! The commands of `docs/running.md`, as they stand there, on a system with the Debian package.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use interop::{DebianPackage, DebianRoot, repository};

/// In the place of systemd, which is not there: what the unit says, on free ports.
const SYSTEMCTL: &str = r#"#!/bin/sh
set -eu
[ "$2" = countersign ]
pid=/run/countersign.pid
case $1 in
start)
  setpriv --reuid countersign --regid countersign --clear-groups --no-new-privs \
    countersign serve --config /etc/countersign/countersign.toml \
    --listen=127.0.0.1:0 --internal-listen=127.0.0.1:0 >/run/countersign.log 2>&1 &
  echo $! >$pid
  while ! [ -s /var/lib/countersign/server.json ]; do
    kill -0 $! || { cat /run/countersign.log; exit 1; }
    sleep 0.05
  done ;;
stop)
  kill -TERM "$(cat $pid)"
  while kill -0 "$(cat $pid)" 2>/dev/null; do sleep 0.05; done ;;
esac
"#;

#[test]
fn the_commands_of_the_page_do_what_it_says() -> Result<()> {
    let system = DebianRoot::unpack()?;
    system.install(&DebianPackage::make("0.0.1")?)?;
    system.program("/usr/bin/systemctl", SYSTEMCTL)?;
    system.run(&["systemctl", "start", "countersign"])?;
    // Whatever happens to the page, nothing of it goes on.
    let outcome = follow(&system);
    system.run(&["systemctl", "stop", "countersign"])?;
    outcome
}

fn follow(system: &DebianRoot) -> Result<()> {
    system.run(&["countersign", "key", "generate", "--out", "/srv/old.key"])?;
    system.run(&["countersign", "account", "create", "robot"])?;
    system.run(&["countersign", "key", "add", "robot", "/srv/old.key.pub"])?;
    let shown = system.run(&["countersign", "key", "show", "/srv/old.key.pub", "-o", "json"])?;
    let shown: serde_json::Value = serde_json::from_str(&shown)?;
    let old = shown["fingerprints"]["openssh"].as_str().context("a fingerprint")?;

    let page = fs::read_to_string(repository().join("docs/running.md"))?;
    let blocks: Vec<_> = page
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split_once("```").map_or(rest, |(block, _)| block))
        .collect();
    ensure!(blocks.len() > 8, "the page has commands: {blocks:?}");
    for block in blocks {
        let script = format!("set -eu; cd /srv; OLD_FINGERPRINT={old}\n{block}");
        system.run(&["sh", "-c", &script]).with_context(|| block.to_owned())?;
    }

    // What the page says has become of it.
    let keys = system.run(&["countersign", "key", "list", "robot", "-o", "json"])?;
    let keys: serde_json::Value = serde_json::from_str(&keys)?;
    let revoked = |number: usize| !keys["keys"][number]["revoked_at"].is_null();
    ensure!(revoked(0) && !revoked(1), "{keys}");
    let trail = system.run(&["countersign", "audit", "list"])?;
    for act in ["account.disable", "account.enable", "key.revoke", "admin.recover"] {
        ensure!(trail.contains(act), "no {act} in {trail}");
    }
    Ok(())
}
