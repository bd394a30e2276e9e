//! Who administrates: the first start, a key given, a server elsewhere, and the
//! way back in.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Sandbox, mode};

#[test]
fn the_first_start_makes_an_administrator_whose_key_only_its_owner_can_read() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    let data = sandbox.data_dir();
    assert_eq!(mode(&data), 0o700);
    for file in ["admin.key", "server.json", "lock", "countersign.db", "countersign.db-wal"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    let admin = sandbox.json(&["account", "show", "admin"]);
    assert_eq!(admin["groups"], serde_json::json!(["admin"]));
    let said = server.log();
    assert!(said.contains(&server.public("")) && said.contains(&server.internal("")), "{said}");
    assert!(said.contains("countersign key add robot robot.key.pub"), "{said}");
    server.stop();
    assert!(!data.join("server.json").exists());
}

#[test]
fn the_key_of_a_start_that_came_to_no_end_is_taken_up_again() {
    let sandbox = Sandbox::new();
    fs::DirBuilder::new().mode(0o700).create(sandbox.data_dir()).unwrap();
    sandbox.ok(&["key", "generate", "--out", "data/admin.key"]);
    let left = sandbox.read("data/admin.key");
    let _server = sandbox.serve(&[]);
    assert_eq!(sandbox.read("data/admin.key"), left);
    let keys = sandbox.json(&["key", "list", "admin"]);
    let fingerprint = &keys["keys"][0]["fingerprints"]["openssh"];
    assert_eq!(fingerprint, sandbox.fingerprint("data/admin").as_str());
}

#[test]
fn a_first_start_that_was_killed_is_completed_by_the_next() {
    // From before the directory is there to after the account is.
    for delay in (0..120).step_by(10) {
        let sandbox = Sandbox::new();
        let ports = ["serve", "--listen=127.0.0.1:0", "--internal-listen=127.0.0.1:0"];
        let mut command = sandbox.command(&ports);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();

        let _server = sandbox.serve(&[]);
        let keys = sandbox.json(&["key", "list", "admin"]);
        assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "killed after {delay} ms");
    }
}

#[test]
fn the_first_administrators_public_key_can_be_given() {
    let sandbox = Sandbox::new();
    sandbox.key("operator");
    let public = sandbox.read("operator.key.pub");
    let server = sandbox.serve_with(&[], &[("COUNTERSIGN_BOOTSTRAP_ADMIN_PUBLIC_KEY", &public)]);
    assert!(!sandbox.data_dir().join("admin.key").exists());
    let said = sandbox.fails(2, &["account", "list"]);
    assert!(said.contains("admin.key") && said.contains("--identity"), "{said}");
    sandbox.ok(&["account", "list", "--identity", "operator.key"]);
    drop(server);
}

#[test]
fn a_server_elsewhere_is_named_by_options() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.key("operator");
    sandbox.ok(&["account", "create", "operator", "--group", "admin"]);
    sandbox.ok(&["key", "add", "operator", "operator.key.pub"]);

    let elsewhere = Sandbox::new();
    fs::copy(sandbox.path("operator.key"), elsewhere.path("operator.key")).unwrap();
    let url = server.internal("");
    let operator = ["--server", &url, "--as", "operator", "--identity", "operator.key"];
    elsewhere.ok(&[&["account", "list"], &operator[..]].concat());

    sandbox.ok(&["account", "set-groups", "operator"]);
    let said = elsewhere.fails(1, &[&["account", "list"], &operator[..]].concat());
    assert!(!said.is_empty());
    let public = server.public("");
    let wrong = ["--server", &public, "--as", "operator", "--identity", "operator.key"];
    let said = elsewhere.fails(4, &[&["account", "list"], &wrong[..]].concat());
    assert!(said.contains("is it the internal listener"), "{said}");
}

#[test]
fn without_a_server_the_command_says_how_to_get_one() {
    let sandbox = Sandbox::new();
    sandbox.serve(&[]).stop();
    let said = sandbox.fails(4, &["account", "list"]);
    assert!(said.contains("no server runs") && said.contains("countersign serve"), "{said}");

    // A server that was killed leaves its file behind.
    sandbox.serve(&[]).kill();
    let said = sandbox.fails(4, &["account", "list"]);
    assert!(said.contains("is the server running?"), "{said}");
}

#[test]
fn recover_makes_a_new_key_when_every_key_is_lost() {
    let sandbox = Sandbox::new();
    sandbox.serve(&[]).stop();
    fs::remove_file(sandbox.data_dir().join("admin.key")).unwrap();

    let recovered = sandbox.json(&["admin", "recover"]);
    assert_eq!(recovered["account"], "admin");
    assert_eq!(mode(&sandbox.data_dir().join("admin.key")), 0o600);
    let server = sandbox.serve(&[]);
    let keys = sandbox.json(&["key", "list", "admin"]);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);

    let said = sandbox.fails(2, &["admin", "recover"]);
    assert!(
        said.contains("in use by a running server") && said.contains("stop it first"),
        "{said}"
    );
    server.stop();
}

#[test]
fn recover_keeps_the_former_key_file_and_can_name_another_account() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.ok(&["account", "create", "rescue", "--group", "ops"]);
    sandbox.ok(&["account", "disable", "rescue"]);
    server.stop();
    let former = sandbox.read("data/admin.key");

    let recovered = sandbox.json(&["admin", "recover", "--name", "rescue"]);
    let kept = recovered["former_identity"].as_str().unwrap();
    assert_eq!(fs::read_to_string(kept).unwrap(), former);
    let _server = sandbox.serve(&[]);
    let rescue = sandbox.json(&["account", "show", "rescue", "--as", "rescue"]);
    assert_eq!(rescue["groups"], serde_json::json!(["admin", "ops"]));
    assert_eq!(rescue["disabled"], false);
}

#[test]
fn recover_makes_no_account_whose_name_is_anothers_id() {
    let sandbox = Sandbox::new();
    drop(sandbox.serve(&[]));
    let name = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
    let error = sandbox.fails(2, &["admin", "recover", "--name", name]);
    assert!(error.contains("reserved for the account with that id"), "{error}");
    assert!(!sandbox.data_dir().join("admin.key.new").exists(), "no key is left behind");
}

#[test]
fn recover_needs_a_database() {
    let sandbox = Sandbox::new();
    let said = sandbox.fails(2, &["admin", "recover"]);
    assert!(said.contains("there is no data directory"), "{said}");
}
