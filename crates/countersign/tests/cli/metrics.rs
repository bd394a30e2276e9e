//! What Prometheus gets from a server.

use countersign_testbed::{Durability, Postgres};

use crate::support::{Sandbox, Server, wait_for};

#[test]
fn a_server_tells_of_itself_and_of_what_it_stands_on() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.account("robot");
    assert_eq!(server.forward_auth(&sandbox.authorization("robot")), 200);
    let metrics = server.internal("/metrics");
    let text = wait_for("all accounts to be in memory", || {
        let text = Server::text(&metrics);
        text.contains("\ncountersign_directory_complete 1").then_some(text)
    });
    for line in [
        "countersign_judgements_total{method=\"signed-request\",outcome=\"allowed\"} ",
        "countersign_directory_accounts 2",
        "countersign_directory_believed 1",
        "countersign_jwks_endpoints 0",
        "countersign_database_connections{pool=\"main\"} ",
        "countersign_signing_key_age_seconds ",
        "countersign_replay_guard_live_nonces ",
    ] {
        assert!(text.contains(&format!("\n{line}")), "{line} is not in {text}");
    }
    assert!(!text.contains("countersign_directory_age_seconds"), "nobody else changes it: {text}");
    assert!(!text.contains("robot"), "{text}");
    assert_eq!(Server::text(&server.public("/metrics")), "");
}

/// Where others change the accounts too, what is in memory has an age, and is not believed when
/// it is old.
#[test]
fn a_server_tells_how_old_is_what_it_has_in_memory() {
    let mut postgres = Postgres::of_its_own(Durability::Relaxed).unwrap();
    let sandbox = Sandbox::new();
    sandbox.key("alice");
    let url = postgres.url().unwrap();
    let variables = [
        ("COUNTERSIGN_DATABASE_URL", &*url),
        ("COUNTERSIGN_BOOTSTRAP_ADMIN_PUBLIC_KEY", &*sandbox.read("alice.key.pub")),
    ];
    let server = sandbox.serve_with(&["--replay-guard=database", "--tolerance=2s"], &variables);
    let number = |name: &str| -> Option<f64> {
        let text = Server::text(&server.internal("/metrics"));
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        Some(line.parse().unwrap())
    };
    let is_believed = || number("countersign_directory_believed") == Some(1.0);
    let age = || number("countersign_directory_age_seconds");
    wait_for("what is in memory to be believed", || (is_believed() && age()? < 0.75).then_some(()));
    // Its guard is in PostgreSQL, and it has no file for one.
    assert_eq!(number("countersign_database_connections{pool=\"nonces\"}"), None);
    assert!(!sandbox.data_dir().join("nonces.db").exists());
    postgres.stop().unwrap();
    wait_for("it to be too old", || (!is_believed() && age()? > 2.0).then_some(()));
    postgres.start_again().unwrap();
    wait_for("it to be believed again", || (is_believed() && age()? < 0.75).then_some(()));
}
