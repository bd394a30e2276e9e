//! A start on a disk that has no room for all of it.

use std::process::Command;

use crate::support::Sandbox;

/// Starts the server on ever larger disks until one has room: in memory, and in a namespace
/// of the script's own. Each that is too small is made larger afterwards, and the server
/// started again on what the failed start left there.
const SCRIPT: &str = r#"
set -eu
binary=$1 disk=$2 said=$3
start() {
  "$binary" serve --data-dir "$disk/data" --listen 127.0.0.1:0 --internal-listen 127.0.0.1:0 \
    >/dev/null 2>"$said" &
  while kill -0 $! 2>/dev/null && ! [ -s "$disk/data/server.json" ]; do sleep 0.01; done
  kill -TERM $! 2>/dev/null || true
  wait $! && exit=ready || exit=$?
}
for size in $(seq 4 16 1200); do
  mount -t tmpfs -o "size=${size}k,mode=700" none "$disk"
  start
  [ "$exit" = ready ] && echo "$size ready" && break
  echo "$size $exit $(wc -l <"$said") $(cat "$said")"
  mount -o remount,size=20m "$disk"
  start
  [ "$exit" = ready ] || echo "$size again $exit $(cat "$said")"
  umount "$disk"
done
"#;

#[test]
fn a_start_on_a_full_disk_says_so_and_leaves_nothing_that_a_later_one_stumbles_over() {
    let sandbox = Sandbox::new();
    let disk = sandbox.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mut script = Command::new("unshare");
    script.args(["--mount", "sh", "-c", SCRIPT, "sh", env!("CARGO_BIN_EXE_countersign")]);
    let output = script.arg(&disk).arg(sandbox.path("said")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "needs root: {said}\n{text}");
    let (ready, failed): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.ends_with("ready"));
    assert_eq!(ready.len(), 1, "{text}");
    assert!(failed.len() > 5, "{text}");
    let data = disk.join("data");
    for line in failed {
        let (_, outcome) = line.split_once(' ').unwrap();
        assert!(outcome.starts_with("2 1 error: "), "exit code 2 and one line: {line}");
        assert!(outcome.contains(data.to_str().unwrap()), "{line}");
        assert!(outcome.contains("full") || outcome.contains("No space left"), "{line}");
    }
}
