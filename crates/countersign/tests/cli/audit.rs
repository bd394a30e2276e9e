//! The audit trail, listed and followed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::support::{Sandbox, wait_for};

/// The acts that a command wrote, one a line.
pub(crate) fn acts(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn targets(acts: &[Value]) -> Vec<&str> {
    acts.iter().map(|act| act["target"].as_str().unwrap()).collect()
}

#[test]
fn acts_are_listed_by_who_what_whom_and_when_in_either_order() {
    let sandbox = Sandbox::new();
    let _server = sandbox.serve(&[]);
    for name in ["ada", "robot-1", "robot-2"] {
        sandbox.account(name);
    }
    sandbox.ok(&["account", "set-groups", "ada", "admin"]);
    let as_ada = ["--as", "ada", "--identity", "ada.key"];
    sandbox.ok(&[&["account", "disable", "robot-2"][..], &as_ada].concat());
    let listed =
        |filters: &[&str]| acts(&sandbox.ok(&[&["audit", "list", "-o", "json"], filters].concat()));
    let all = listed(&[]);
    assert_eq!(targets(&listed(&["--actor", "ada"])), ["account robot-2"]);
    let created = listed(&["--action", "account.create"]);
    assert_eq!(targets(&created), ["account ada", "account robot-1", "account robot-2"]);
    assert_eq!(listed(&["--target", "robot-2"]).len(), 3);
    assert_eq!(listed(&["--target", "robot-2", "--actor", "ada"]).len(), 1);
    assert_eq!(listed(&["--since", "1h"]), all);
    assert!(listed(&["--since", "2099-01-01T00:00:00Z"]).is_empty());
    let last = all.last().unwrap();
    let since = listed(&["--since", last["at"].as_str().unwrap()]);
    assert_eq!(since, std::slice::from_ref(last));

    let mut backwards = listed(&["--newest-first"]);
    assert_eq!(&backwards[0], last);
    assert_eq!(listed(&["--newest-first", "--limit", "2"]), backwards[..2]);
    let before = backwards[1]["sequence"].to_string();
    assert_eq!(listed(&["--newest-first", "--after", &before]), backwards[2..]);
    backwards.reverse();
    assert_eq!(backwards, all);
    assert!(listed(&["--limit", "0"]).is_empty());

    let said = sandbox.fails(2, &["audit", "list", "--since", "yesterday"]);
    assert!(said.contains("nor a span such as `2h`"), "{said}");
    let table = sandbox.ok(&["audit", "list", "--actor", "ada"]);
    assert!(table.contains("account.disable"), "{table}");
    assert_eq!(table.lines().count(), 2, "{table}");
}

/// A command that goes on until it is killed.
struct Following {
    child: Child,
    lines: Option<BufReader<ChildStdout>>,
}

impl Following {
    fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let follow = ["audit", "follow", "-o", "json"];
        let mut command = sandbox.command(&[&follow, arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = child.stdout.take().map(BufReader::new);
        Self { child, lines }
    }

    /// Waits for the next act.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.as_mut().unwrap().read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn acts_are_followed_over_a_restart_none_lost_and_none_twice() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.ok(&["account", "create", "before"]);
    let behind = acts(&sandbox.ok(&["audit", "list", "-o", "json"])).len().to_string();
    let mut following = Following::start(&sandbox, &["--after", &behind]);
    let mut shown = Vec::new();
    sandbox.ok(&["account", "create", "first"]);
    shown.push(following.next());

    // What is done last before the end is not lost, wherever the next one listens.
    sandbox.ok(&["account", "create", "second"]);
    server.kill();
    let _server = sandbox.serve(&[]);
    sandbox.ok(&["account", "create", "third"]);
    sandbox.ok(&["account", "disable", "first"]);
    shown.extend((0..3).map(|_| following.next()));
    assert_eq!(
        targets(&shown),
        ["account first", "account second", "account third", "account first"]
    );
    assert_eq!(shown, acts(&sandbox.ok(&["audit", "list", "-o", "json", "--after", &behind])));
}

#[test]
fn following_begins_with_the_next_act_takes_filters_and_ends_with_its_reader() {
    let sandbox = Sandbox::new();
    let _server = sandbox.serve(&[]);
    sandbox.ok(&["account", "create", "robot"]);
    let mut earlier = Following::start(&sandbox, &["--since", "1h", "--target", "robot"]);
    assert_eq!(earlier.next()["action"], "account.create");
    let mut following = Following::start(&sandbox, &["--action", "account.disable"]);
    // It has begun once it shows anything; what it shows first came after its start.
    let first = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| following.next());
        wait_for("an act to be shown", || {
            for act in ["disable", "enable"] {
                sandbox.ok(&["account", act, "robot"]);
            }
            waiting.is_finished().then_some(())
        });
        waiting.join().unwrap()
    });
    assert_eq!(first["action"], "account.disable");

    earlier.lines = None;
    let status = wait_for("it to end", || {
        sandbox.ok(&["account", "disable", "robot"]);
        sandbox.ok(&["account", "enable", "robot"]);
        earlier.child.try_wait().unwrap()
    });
    assert!(status.code().is_some(), "{status}");
    let mut said = String::new();
    let mut stderr = earlier.child.stderr.take().unwrap();
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn who_may_not_look_does_not_follow() {
    let sandbox = Sandbox::new();
    let _server = sandbox.serve(&[]);
    sandbox.account("robot");
    let follow = ["audit", "follow", "--as", "robot", "--identity", "robot.key"];
    let said = sandbox.fails(1, &follow);
    assert!(said.contains("not in the group"), "{said}");
}
