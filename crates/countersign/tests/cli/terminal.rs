//! What is asked at a terminal. `script` (in every Debian system) is the terminal.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::{Said, Sandbox};

/// Runs a command at a terminal where these lines are typed.
fn at_a_terminal(sandbox: &Sandbox, arguments: &[&str], typed: &str) -> Said {
    let inner = sandbox.command(arguments);
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().expect("printable"));
    let words: Vec<String> =
        std::iter::once(inner.get_program()).chain(inner.get_args()).map(quoted).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]);
    script.env_clear();
    for (name, value) in inner.get_envs() {
        script.env(name, value.expect("a value"));
    }
    script.env("SHELL", "/bin/sh").current_dir(sandbox.path(""));
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = script.spawn().expect("script, of the Debian package bsdutils");
    child.stdin.take().expect("piped").write_all(typed.as_bytes()).expect("typing");
    Said::of_output(child.wait_with_output().expect("an end"))
}

#[test]
fn a_passphrase_is_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.write("passphrase", "correct horse\n");
    sandbox.ok(&["key", "generate", "--out", "locked.key", "--passphrase-file", "passphrase"]);
    let header = ["header", "--account", "robot", "--key", "locked.key"];

    let said = at_a_terminal(&sandbox, &header, "correct horse\n");
    assert_eq!(said.code, 0, "{}", said.stdout);
    assert!(said.stdout.contains("Passphrase of locked.key"), "{}", said.stdout);
    assert!(said.stdout.contains("Authorization: JWT "), "{}", said.stdout);

    let said = at_a_terminal(&sandbox, &header, "wrong horse\n");
    assert_eq!(said.code, 2, "{}", said.stdout);
    assert!(!said.stdout.contains("Authorization:"), "{}", said.stdout);

    let error = sandbox.fails(2, &header);
    assert!(error.contains("--passphrase-file"), "nobody is there to ask: {error}");
}

#[test]
fn an_account_is_deleted_only_after_a_yes() {
    let sandbox = Sandbox::new();
    let _server = sandbox.serve(&[]);
    sandbox.account("robot");
    for answer in ["n\n", "\n", "maybe\n"] {
        let said = at_a_terminal(&sandbox, &["account", "delete", "robot"], answer);
        assert_eq!(said.code, 1, "{}", said.stdout);
        assert!(said.stdout.contains("nothing was deleted"), "{}", said.stdout);
        sandbox.ok(&["account", "show", "robot"]);
    }
    let said = at_a_terminal(&sandbox, &["account", "delete", "robot"], "y\n");
    assert_eq!(said.code, 0, "{}", said.stdout);
    sandbox.fails(3, &["account", "show", "robot"]);
}
