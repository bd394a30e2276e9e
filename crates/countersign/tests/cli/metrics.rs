//! What Prometheus gets from a server.

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
        "countersign_jwks_endpoints 0",
        "countersign_database_connections{pool=\"main\"} ",
        "countersign_signing_key_age_seconds ",
        "countersign_replay_guard_live_nonces ",
    ] {
        assert!(text.contains(&format!("\n{line}")), "{line} is not in {text}");
    }
    assert!(!text.contains("robot"), "{text}");
    assert_eq!(Server::text(&server.public("/metrics")), "");
}
