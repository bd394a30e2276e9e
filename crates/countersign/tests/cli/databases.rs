//! Where accounts and tokens live: another file, or PostgreSQL.

use countersign_testbed::{Durability, Postgres};
use serde_json::json;

use crate::support::{Sandbox, Server, wait_for};

const ID: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

#[test]
fn another_file() {
    let sandbox = Sandbox::new();
    let url = format!("sqlite://{}", sandbox.path("main.db").display());
    let server = sandbox.serve(&["--database-url", &url]);
    sandbox.ok(&["account", "create", "robot"]);
    server.stop();
    assert!(!sandbox.path("data/countersign.db").exists());
    let _server = sandbox.serve(&["--database-url", &url]);
    sandbox.ok(&["account", "show", "robot"]);
}

#[test]
fn postgres_from_an_empty_database_to_a_token() {
    let sandbox = Sandbox::new();
    let database = block_on(countersign_testbed::fresh_database()).unwrap();
    let url = database.url_with_tls();
    // The password belongs into the environment, not on the command line.
    let variables = [("COUNTERSIGN_DATABASE_URL", &*url)];
    let server = sandbox.serve_with(&[], &variables);
    assert!(server.log().contains("there is no administrator"), "{}", server.log());
    let body = json!({ "key": "a key", "identifier": ID });
    assert_eq!(Server::post(&server.internal("/register_key"), &body).0, 201);
    let (jwt, refresh_token) = server.authenticate("a key", ID);
    server.stop();

    sandbox.key("alice");
    let alice = sandbox.read("alice.key.pub");
    let bootstrap = [variables[0], ("COUNTERSIGN_BOOTSTRAP_ADMIN_PUBLIC_KEY", &*alice)];
    let server = sandbox.serve_with(&[], &bootstrap);
    let (status, _) = Server::post(&server.public("/validate"), &json!({ "jwt": jwt }));
    assert_eq!(status, 200, "the next start finds the same keys");
    let body = json!({ "refresh_token": refresh_token, "identifier": ID });
    assert_eq!(Server::post(&server.public("/refresh"), &body).0, 200);
    let log = server.stop();
    let password = url.split(':').nth(2).unwrap().split('@').next().unwrap();
    assert!(!password.is_empty() && !log.contains(password), "{log}");
}

#[test]
fn an_outage_of_postgres_is_503_until_it_is_back() {
    let sandbox = Sandbox::new();
    let mut postgres = Postgres::of_its_own(Durability::Relaxed).unwrap();
    let database = block_on(postgres.fresh_database()).unwrap();
    let patience = ["--database-connect-timeout", "500ms"];
    let server = sandbox.serve_with(&patience, &[("COUNTERSIGN_DATABASE_URL", database.url())]);
    let body = json!({ "key": "a key", "identifier": ID });
    assert_eq!(Server::post(&server.internal("/register_key"), &body).0, 201);
    let (jwt, _) = server.authenticate("a key", ID);
    let validate = || Server::post(&server.public("/validate"), &json!({ "jwt": jwt })).0;
    postgres.stop().unwrap();
    // It is in memory once the server has heard of its own act.
    wait_for("what is in memory to go on", || {
        let status = validate();
        if status != 200 {
            postgres.start_again().unwrap();
            wait_for("the account to be found", || (validate() == 200).then_some(()));
            postgres.stop().unwrap();
        }
        (status == 200).then_some(())
    });
    assert_eq!(Server::post(&server.public("/authenticate"), &body).0, 503);
    let other = json!({ "key": "another", "identifier": ID });
    assert_eq!(Server::post(&server.internal("/register_key"), &other).0, 503);
    postgres.start_again().unwrap();
    wait_for("the database to be used again", || {
        let (status, _) = Server::post(&server.public("/authenticate"), &body);
        (status == 200).then_some(())
    });
    assert_eq!(Server::post(&server.internal("/register_key"), &other).0, 201);
    assert_eq!(validate(), 200);
}

#[test]
fn a_running_server_hears_of_what_another_program_changes_in_its_database() {
    let (sandbox, other) = (Sandbox::new(), Sandbox::new());
    let database = block_on(countersign_testbed::fresh_database()).unwrap();
    let variables = [("COUNTERSIGN_DATABASE_URL", database.url())];
    let shared = "--replay-guard=database";
    let server = sandbox.serve_with(&[shared], &variables);
    let key = sandbox.path("data/encryption.key").display().to_string();
    let writer = other.serve_with(&[shared, "--encryption-key-file", &key], &variables);
    let body = json!({ "key": "a key", "identifier": ID });
    assert_eq!(Server::post(&writer.internal("/register_key"), &body).0, 201);
    wait_for("the other's key to be taken", || {
        let (status, _) = Server::post(&server.public("/authenticate"), &body);
        (status == 200).then_some(())
    });
}

#[test]
fn a_database_that_cannot_be_reached_is_said_in_one_line() {
    let sandbox = Sandbox::new();
    for (url, expected) in [
        ("postgres://someone:secret-word@127.0.0.1:1/x", "database_url: "),
        ("mysql://someone:secret-word@h/x", "database_url: "),
        ("postgres://someone:secret-word@127.0.0.1:x/x", "database_url: "),
        ("sqlite:///nowhere/at/all.db", "/nowhere/at/all.db"),
    ] {
        let mut command = sandbox.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(["--internal-listen", "127.0.0.1:0"]);
        let said = crate::support::Said::of(command.env("COUNTERSIGN_DATABASE_URL", url));
        assert_eq!(said.code, 2, "{}", said.stderr);
        assert!(said.stderr.contains(expected), "{}", said.stderr);
        assert!(!said.stderr.contains("secret-word"), "{}", said.stderr);
        assert_eq!(said.stderr.trim().lines().count(), 1, "{}", said.stderr);
    }
}
