//! `countersign doctor` on installations that are well, and on some that are not.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use countersign_testbed::{Durability, Postgres, Redis};
use serde_json::Value;

use crate::support::{Said, Sandbox, Server, wait_for};

fn doctor(sandbox: &Sandbox, arguments: &[&str]) -> Said {
    sandbox.run(&[&["doctor"], arguments].concat())
}

/// The line about this.
#[track_caller]
fn line<'a>(said: &'a Said, check: &str) -> &'a str {
    let mut lines = said.stdout.lines().filter(|line| line[6..].starts_with(check));
    lines.next().unwrap_or_else(|| panic!("nothing about {check}: {}{}", said.stdout, said.stderr))
}

/// Expects this command to say so about that, and to fail if it is a failure.
#[track_caller]
fn expect(said: &Said, severity: &str, check: &str, found: &str) {
    let line = line(said, check);
    assert!(line.starts_with(severity) && line.contains(found), "{line}");
    let advised = line.contains(" \u{2013} ");
    assert_eq!(advised, severity != "ok", "what to do: {line}");
    if severity == "fail" {
        assert_eq!(said.code, 1, "{}", said.stdout);
    }
}

/// Something that answers every request on its own with what this makes of its head.
fn answering(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, mut head) = (connection.unwrap(), Vec::new());
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if connection.read(&mut byte).unwrap() == 0 {
                    break;
                }
                head.extend_from_slice(&byte);
            }
            let head = String::from_utf8(head).unwrap();
            connection.write_all(answer(&head).as_bytes()).unwrap();
        }
    });
    url
}

fn http(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

#[test]
fn an_installation_that_is_well() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.account("robot");
    sandbox.write("countersign.toml", "tolerance = \"20s\"\n");
    wait_for("all accounts to be in memory", || {
        let metrics = Server::text(&server.internal("/metrics"));
        metrics.contains("countersign_directory_complete 1").then_some(())
    });
    let said = doctor(&sandbox, &["--config", "countersign.toml"]);
    assert_eq!((said.code, &*said.stderr), (0, ""), "{}", said.stdout);
    for check in [
        "data directory",
        "admin key",
        "encryption key",
        "server",
        "clock",
        "accounts",
        "jwks endpoints",
        "administration",
        "keys",
        "api keys",
        "signing key",
        "settings file",
        "schema",
        "durability",
        "database connections",
        "replay guard",
        "shared clocks",
    ] {
        expect(&said, "ok", check, "");
    }
    let checks = sandbox.json(&["doctor"]);
    let checks = checks["checks"].as_array().unwrap();
    // Without the settings file.
    assert_eq!(checks.len() + 1, said.stdout.lines().count());
    let well = |check: &&Value| check["severity"] == "ok" && check["advice"].is_null();
    assert!(checks.iter().filter(well).count() >= checks.len() - 1, "{checks:?}");
    let secret = fs::read_to_string(sandbox.data_dir().join("encryption.key")).unwrap();
    assert!(!said.stdout.contains(secret.trim()));
}

#[test]
fn files_that_others_may_read_and_a_server_that_is_gone() {
    let sandbox = Sandbox::new();
    let said = doctor(&sandbox, &[]);
    expect(&said, "fail", "data directory", "there is no ");
    expect(&said, "fail", "server", "no server runs on");

    let server = sandbox.serve(&[]);
    let data = sandbox.data_dir();
    fs::set_permissions(data.join("admin.key"), Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(data.join("encryption.key"), Permissions::from_mode(0o604)).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    let said = doctor(&sandbox, &[]);
    expect(&said, "fail", "data directory", "has mode 0755");
    expect(&said, "fail", "admin key", "(mode 0640)");
    expect(&said, "fail", "encryption key", "(mode 0604)");
    expect(&said, "ok", "server", "");

    server.kill();
    expect(&doctor(&sandbox, &[]), "fail", "server", "cannot reach");
}

#[test]
fn a_disk_that_is_nearly_full() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.data_dir()).unwrap();
    let script = r#"mount -t tmpfs -o size=20m,mode=700 none "$2" && "$1" doctor --data-dir "$2""#;
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_countersign")]);
    let said = Said::of(unshare.arg(sandbox.data_dir()));
    expect(&said, "fail", "free space", "20 MiB are free");
}

#[test]
fn clocks_that_differ_and_a_server_that_takes_no_requests() {
    let sandbox = Sandbox::new();
    let url = answering(|_| {
        let date = "date: Tue, 03 Nov 2020 10:00:00 GMT\r\n";
        http("503 Service Unavailable", date, "not ready: store\n")
    });
    let said = doctor(&sandbox, &["--server", &url]);
    expect(&said, "fail", "clock", " s ahead of the server");
    expect(&said, "fail", "server", "not ready: store");
    expect(&said, "fail", "administration", "there is no ");
    assert!(!said.stdout.contains("data directory"), "{}", said.stdout);
}

#[test]
fn keys_that_end_endpoints_that_fail_and_operators_who_are_none() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.account("robot");
    sandbox.account("other");
    let fingerprint = sandbox.fingerprint("robot");
    sandbox.ok(&["key", "expire", "robot", &fingerprint, "--in", "15d"]);
    expect(&doctor(&sandbox, &[]), "ok", "keys", "");
    sandbox.ok(&["key", "expire", "robot", &fingerprint, "--in", "13d"]);
    let key = sandbox.json(&["api-key", "create", "other", "--expires-in", "13d"]);
    let said = doctor(&sandbox, &[]);
    expect(&said, "warn", "keys", "within 14 days: of robot");
    expect(&said, "warn", "api keys", "within 14 days: of other");
    expect(&said, "ok", "signing key", "0 days; the next one has been published");
    assert!(!said.stdout.contains(key["key"].as_str().unwrap()), "{}", said.stdout);
    assert!(!line(&said, "keys").contains("other"), "{}", said.stdout);
    assert_eq!(said.code, 0, "a warning is no failure: {}", said.stdout);

    // A name that resolves nowhere (RFC 6761): nothing leaves this machine.
    sandbox.ok(&["jwks", "add", "robot", "https://keys.invalid/jwks.json"]);
    wait_for("the fetch to fail", || {
        let metrics = Server::text(&server.internal("/metrics"));
        metrics.contains("countersign_jwks_endpoints_failing 1").then_some(())
    });
    let said = doctor(&sandbox, &[]);
    expect(&said, "fail", "jwks endpoints", "https://keys.invalid/jwks.json could not be fetched");
    expect(&said, "fail", "jwks endpoints", "it never gave a set");

    let said = doctor(&sandbox, &["--as", "other", "--identity", "other.key"]);
    expect(&said, "fail", "administration", "not in the group");
    expect(&said, "fail", "administration", "--as NAME --identity FILE");
    let said = doctor(&sandbox, &["--as", "robot", "--identity", "other.key"]);
    expect(&said, "fail", "administration", "does not accept this key");
    expect(&said, "fail", "administration", "--as NAME --identity FILE");
}

#[test]
fn settings_that_are_wrong_dead_or_too_open() {
    let sandbox = Sandbox::new();
    let look = |settings: &str, mode: u32| {
        sandbox.write("countersign.toml", settings);
        let file = sandbox.path("countersign.toml");
        fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
        doctor(&sandbox, &["--config", "countersign.toml"])
    };
    expect(&look("tolernce = \"20s\"", 0o644), "fail", "settings file", "line 1");
    let said = look("replay_timeout = \"1s\"", 0o644);
    expect(&said, "ok", "settings file", "can be read");
    assert!(said.stdout.contains("replay_timeout changes nothing"), "{}", said.stdout);

    let url = "database_url = \"postgres://countersign:secret-word@db/x\"";
    let said = look(url, 0o644);
    expect(&said, "fail", "secret files", "(database_url, mode 0644)");
    assert!(!said.stdout.contains("secret-word"), "{}", said.stdout);
    expect(&look(url, 0o640), "ok", "secret files", "database_url");
    let said = look("tls_key = \"gone.pem\"", 0o644);
    expect(&said, "fail", "secret files", "tls_key");
    sandbox.write("open.pem", "");
    fs::set_permissions(sandbox.path("open.pem"), Permissions::from_mode(0o604)).unwrap();
    expect(&look("tls_key = \"open.pem\"", 0o644), "fail", "secret files", "mode 0604");
}

/// On PostgreSQL and Redis the server finds out what nobody sees from outside.
#[test]
fn what_a_server_says_of_postgres_and_redis() {
    let sandbox = Sandbox::new();
    let mut redis = Redis::start(&sandbox.path("."), &[]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(countersign_testbed::fresh_database()).unwrap();
    sandbox.key("alice");
    let alice = sandbox.read("alice.key.pub");
    let url = redis.url();
    let variables = [
        ("COUNTERSIGN_DATABASE_URL", database.url()),
        ("COUNTERSIGN_REDIS_URL", &*url),
        ("COUNTERSIGN_BOOTSTRAP_ADMIN_PUBLIC_KEY", &*alice),
    ];
    let _server = sandbox.serve_with(&["--replay-guard=redis", "--tolerance=2s"], &variables);
    let operator = ["--identity", "alice.key"];
    let said = wait_for("clocks to be compared, and operators to be let in", || {
        let said = doctor(&sandbox, &operator);
        said.stdout
            .contains("ahead of the redis")
            .then_some(())
            .or_else(|| said.stdout.contains("behind the redis").then_some(()))?;
        said.stdout.contains("as of").then_some(said)
    });
    expect(&said, "ok", "redis", "appendfsync always");
    expect(&said, "ok", "shared clocks", "the database, give or take");
    expect(&said, "ok", "database connections", "of 8 are open");
    expect(&said, "ok", "schema", "version");
    // The tests' own server is quick and forgetful.
    expect(&said, "fail", "durability", "fsync off");

    // When no signature is accepted, it still says why and what to do.
    redis.command("CONFIG SET appendfsync everysec").unwrap();
    let why = "its appendfsync is everysec, expected always";
    let said = once_refused(&sandbox, &operator, ("redis", why));
    expect(&said, "fail", "redis", "`CONFIG SET`");
    expect(&said, "fail", "replay guard", "see what is said of `redis`");

    redis.command("CONFIG SET appendfsync always").unwrap();
    wait_for("signed requests to be taken again", || {
        line(&doctor(&sandbox, &operator), "administration").starts_with("ok").then_some(())
    });
    redis.kill().unwrap();
    let said = once_refused(&sandbox, &operator, ("redis", "Redis cannot be reached: "));
    expect(&said, "fail", "redis", "is Redis up, and reachable");
    expect(&said, "fail", "replay guard", "see what is said of `redis`");
}

/// What doctor says once the replay guard decides nothing and this has been found, which may
/// take a second or two. Nobody is told to give what was given.
#[track_caller]
fn once_refused(sandbox: &Sandbox, operator: &[&str], (check, why): (&str, &str)) -> Said {
    let said = wait_for("signed requests to be refused, and the reason to be found", || {
        let said = doctor(sandbox, operator);
        let fails = |check: &str, found: &str| {
            let mut lines = said.stdout.lines().filter(|line| line.starts_with("fail"));
            lines.any(|line| line[6..].starts_with(check) && line.contains(found))
        };
        let is_seen = fails("server", "see what is said of replay guard")
            && fails("administration", "no signature at the moment")
            && fails("replay guard", "")
            && fails(check, why);
        is_seen.then_some(said)
    });
    assert_eq!(said.code, 1, "{}", said.stdout);
    assert!(!said.stdout.contains("--as"), "{}", said.stdout);
    assert!(!said.stdout.contains("file of nonces"), "{}", said.stdout);
    said
}

#[test]
fn a_guard_in_postgres_that_is_stopped() {
    let mut postgres = Postgres::of_its_own(Durability::Relaxed).unwrap();
    let sandbox = Sandbox::new();
    sandbox.key("alice");
    let alice = sandbox.read("alice.key.pub");
    let url = postgres.url().unwrap();
    let variables =
        [("COUNTERSIGN_DATABASE_URL", &*url), ("COUNTERSIGN_BOOTSTRAP_ADMIN_PUBLIC_KEY", &*alice)];
    let server = sandbox.serve_with(&["--replay-guard=database", "--tolerance=2s"], &variables);
    let operator = ["--identity", "alice.key"];
    wait_for("operators to be let in", || {
        line(&doctor(&sandbox, &operator), "administration").starts_with("ok").then_some(())
    });
    let report = Server::get(&server.internal("/health/report"));
    assert_eq!(report["replay_guard"], "postgres");

    postgres.stop().unwrap();
    let said = once_refused(&sandbox, &operator, ("database", "it does not answer within 3s"));
    expect(&said, "fail", "server", "not ready: store");
    expect(&said, "fail", "database", "is PostgreSQL up, and reachable");
    expect(&said, "fail", "replay guard", "see what is said of `database`");

    postgres.start_again().unwrap();
    let said = wait_for("operators to be let in again", || {
        let said = doctor(&sandbox, &operator);
        line(&said, "administration").starts_with("ok").then_some(said)
    });
    expect(&said, "ok", "replay guard", "it answers");
}

#[test]
fn gateways_that_keep_strangers_out_and_gateways_that_do_not() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.account("robot");
    let through = |gateway: &str| {
        let caller = ["--account", "robot", "--key", "robot.key"];
        doctor(&sandbox, &[&["--gateway", gateway], &caller[..]].concat())
    };
    let said = through(&server.public("/forward-auth"));
    expect(&said, "ok", "gateway", "refused, with a challenge");
    expect(&said, "warn", "identity headers", "does not show");
    let said = doctor(&sandbox, &["--gateway", &server.public("/forward-auth")]);
    expect(&said, "warn", "identity headers", "was not tried");

    let said = through(&server.public("/health/live"));
    expect(&said, "fail", "gateway", "it lets anybody in (200 OK)");
    let said = through(&server.public("/nothing"));
    expect(&said, "fail", "gateway", "404 Not Found, not 401");
    expect(&said, "fail", "identity headers", "a signed request of robot is answered 404");
    let said = through(&answering(|_| http("401 Unauthorized", "", "")));
    expect(&said, "fail", "gateway", "not told what would do");

    // In front of a service that shows the headers it got.
    let gateway = |passed_on: fn(&str) -> String| {
        answering(move |head| {
            if head.to_ascii_lowercase().contains("\r\nauthorization: jwt ") {
                http("200 OK", "", &passed_on(head))
            } else {
                http("401 Unauthorized", "www-authenticate: JWT\r\n", "")
            }
        })
    };
    let said = through(&gateway(|_| "x-auth-account: robot".to_owned()));
    expect(&said, "ok", "identity headers", "was told robot");
    let said = through(&gateway(|head| format!("{head}x-auth-account: robot")));
    expect(&said, "fail", "identity headers", "the caller made up");

    // A header is called as the settings say, and a gateway may know the usual names alone.
    let passing_on = gateway(|head| {
        let lines = head.lines().filter(|line| !line.starts_with("x-auth-"));
        format!("{}x-auth-account: robot", lines.collect::<Vec<_>>().join("\n"))
    });
    expect(&through(&passing_on), "ok", "identity headers", "was told robot");
    server.stop();
    let server = sandbox.serve(&["--account-header", "X-User"]);
    let said = through(&passing_on);
    expect(&said, "fail", "identity headers", "the caller made up");
    server.stop();
    let said = through(&passing_on);
    assert!(said.stdout.contains("those of the usual names were tried"), "{}", said.stdout);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = through(&format!("http://{nobody}"));
    expect(&said, "fail", "gateway", "error sending request");
}
