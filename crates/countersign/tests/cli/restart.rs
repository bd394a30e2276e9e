//! What survives the end of the process.

use crate::support::Sandbox;

#[test]
fn a_token_used_before_kill_9_is_refused_after_the_restart() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.account("robot");
    let (used, unused) = (sandbox.authorization("robot"), sandbox.authorization("robot"));
    assert_eq!(server.forward_auth(&used), 200);
    server.kill();

    let server = sandbox.serve(&[]);
    assert_eq!(server.forward_auth(&used), 401);
    assert_eq!(server.forward_auth(&unused), 200, "the guard forgets nothing, and invents nothing");
    assert!(server.stop().contains("replayed"));
}

#[test]
fn what_was_revoked_stays_revoked_after_kill_9() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.account("robot");
    sandbox.ok(&["key", "revoke", "robot", &sandbox.fingerprint("robot")]);
    server.kill();

    let server = sandbox.serve(&[]);
    assert_eq!(server.forward_auth(&sandbox.authorization("robot")), 401);
    assert!(server.stop().contains("key_revoked"));
}

#[test]
fn an_installation_keeps_its_id_and_its_administrator() {
    let sandbox = Sandbox::new();
    let first = sandbox.serve(&[]);
    let id = first.file["instance_id"].clone();
    assert!(first.stop().contains("made account admin"));
    let second = sandbox.serve(&[]);
    assert_eq!(second.file["instance_id"], id);
    assert_eq!(sandbox.json(&["account", "show", "admin"])["name"], "admin");
    assert!(!second.stop().contains("made account admin"));
}

#[test]
fn a_guard_in_memory_forgets_as_its_name_says() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&["--replay-guard", "memory"]);
    sandbox.account("robot");
    let used = sandbox.authorization("robot");
    assert_eq!(server.forward_auth(&used), 200);
    assert_eq!(server.forward_auth(&used), 401);
    server.kill();
    let server = sandbox.serve(&["--replay-guard", "memory"]);
    assert_eq!(server.forward_auth(&used), 200);
}
