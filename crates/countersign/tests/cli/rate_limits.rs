//! How often one may ask: the settings, and what callers hear.

use countersign_testbed::Redis;
use serde_json::json;

use crate::support::{Sandbox, Server, wait_for};

const ID: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

#[test]
fn a_bad_rate_stops_the_start_and_names_the_setting() {
    let sandbox = Sandbox::new();
    for (arguments, complaint) in [
        (&["--rate-limit-per-address", "100"][..], "`100` is no rate"),
        (&["--rate-limit-per-address=-5/s"], "`-5/s` is no rate"),
        (&["--rate-limit-per-credential", "1/d"], "such as `100/s`, `30/m` or `500/h`"),
        (
            &["--rate-limit-per-credential", "10000000/s"],
            "rate_limit_per_credential is 10000000/s: more than 1000000",
        ),
        (
            &["--rate-limit-per-address", "1/m", "--rate-limit-per-address-burst", "61"],
            "rate_limit_per_address is 1/m: it would take more than an hour",
        ),
        (
            &["--rate-limit-per-address", "1/m", "--rate-limit-per-address-burst", "0"],
            "rate_limit_per_address_burst is 0",
        ),
        (&["--rate-limit-per-credential-burst", "5"], "rate_limit_per_credential is not"),
    ] {
        let said = sandbox.fails(2, &[&["serve"], arguments].concat());
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
    sandbox.write("bad.toml", "\nrate_limit_per_address = \"fast\"\n");
    let said = sandbox.fails(2, &["serve", "--config", "bad.toml"]);
    assert!(said.contains("bad.toml, line 2: `fast` is no rate"), "{said}");
}

#[test]
fn limits_come_from_the_settings_file_and_the_environment() {
    let sandbox = Sandbox::new();
    sandbox.write("limits.toml", "rate_limit_per_credential = \"1/h\"\n");
    let variables = [
        ("COUNTERSIGN_RATE_LIMIT_PER_ADDRESS", "1/h"),
        ("COUNTERSIGN_RATE_LIMIT_PER_ADDRESS_BURST", "1"),
    ];
    let server = sandbox.serve_with(&["--config", "limits.toml"], &variables);
    // Operators of this host are not limited, and the credential is counted apart.
    sandbox.account("robot");
    assert_eq!(server.forward_auth(&sandbox.authorization("robot")), 200);
    let response = server.response(&sandbox.authorization("robot"));
    assert_eq!(response.status(), 429);
    let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3600).contains(&seconds), "{seconds}");
    let log = server.stop();
    assert!(log.contains("address_over_limit"), "{log}");
}

#[test]
fn servers_count_together_through_redis_and_by_themselves_without() {
    let (sandbox, other_sandbox) = (Sandbox::new(), Sandbox::new());
    let mut redis = Redis::start(&sandbox.path("."), &[]).unwrap();
    let url = redis.url();
    let arguments = [
        "--redis-url",
        &*url,
        "--redis-namespace",
        "shared",
        "--rate-limit-per-address",
        "60/h",
        "--replay-timeout",
        "20s",
    ];
    let (server, other) = (sandbox.serve(&arguments), other_sandbox.serve(&arguments));
    let passing = |server: &Server, tries| {
        (0..tries).filter(|_| server.forward_auth("Bearer nonsense") == 401).count()
    };
    // One comes back each minute.
    let passed = passing(&server, 40) + passing(&other, 40);
    assert!((60..70).contains(&passed), "{passed}");
    let doctor = || other_sandbox.ok(&["doctor"]);
    let said = doctor();
    assert!(said.contains("it answers: servers count together"), "{said}");
    redis.kill().unwrap();
    wait_for("Redis to be missed", || {
        let said = doctor();
        let mut lines = said.lines().filter(|line| line.starts_with("warn  redis "));
        lines.next().map(|line| assert!(line.contains("each server counts for itself"), "{line}"))
    });
    wait_for("counting to go on", || (passing(&other, 1) == 1).then_some(()));
    assert!(other.stop().contains("rate limits are this server's own"));
}

#[test]
fn a_redis_without_a_use_is_refused() {
    let sandbox = Sandbox::new();
    let said = sandbox.fails(2, &["serve", "--redis-url", "redis://127.0.0.1"]);
    assert!(said.contains("there are no rate limits"), "{said}");
}

#[test]
fn callers_with_api_keys_wait_for_their_turn() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&["--rate-limit-per-credential", "2/h"]);
    let body = json!({ "key": "a key", "identifier": ID });
    assert_eq!(Server::post(&server.internal("/register_key"), &body).0, 201);
    server.authenticate("a key", ID);
    server.authenticate("a key", ID);
    assert_eq!(Server::post(&server.public("/authenticate"), &body), (429, json!({})));
}
