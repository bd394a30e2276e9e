//! The data directory belongs to one server and one user.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::Sandbox;

#[test]
fn a_second_server_on_the_same_data_is_refused_and_told_of_the_first() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    let any_ports = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];
    let said = sandbox.fails(2, &[&["serve"], &any_ports[..]].concat());
    assert!(said.contains("in use by a running server"), "{said}");
    assert!(said.contains(&server.public("")), "{said}");
    // The first one is none the worse for it.
    sandbox.ok(&["account", "list"]);
}

#[test]
fn a_directory_that_others_can_read_is_refused() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.data_dir()).unwrap();
    fs::set_permissions(sandbox.data_dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let said = sandbox.fails(2, &["serve"]);
    assert!(said.contains("mode 0755, expected 0700") && said.contains("chmod 700"), "{said}");
}

#[test]
fn a_port_that_is_taken_changes_nothing() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (option, other) in [("--listen", "--internal-listen"), ("--internal-listen", "--listen")] {
        let said = sandbox.fails(2, &["serve", option, &address, other, "127.0.0.1:0"]);
        let setting = option.trim_start_matches('-').replace('-', "_");
        let expected = format!("{setting} {address} is taken by another program");
        assert!(said.contains(&expected), "{said}");
    }
    assert!(!sandbox.data_dir().join("countersign.db").exists());
    assert!(!sandbox.data_dir().join("admin.key").exists());
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let sandbox = Sandbox::new();
    sandbox.serve(&[]).stop();
    sandbox.write("data/countersign.db", "this is no database, and not a short text either");
    let said =
        sandbox.fails(2, &["serve", "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"]);
    assert!(said.contains("countersign.db"), "{said}");
}
