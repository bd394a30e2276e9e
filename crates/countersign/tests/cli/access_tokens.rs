//! API keys, the tokens they buy, and the keys that sign those.

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

use crate::support::{Sandbox, Server, mode};

/// The id that an account was given.
fn id(sandbox: &Sandbox, account: &str) -> String {
    sandbox.json(&["account", "show", account])["id"].as_str().unwrap().to_owned()
}

fn validates(server: &Server, jwt: &str) -> bool {
    let (status, _) = Server::post(&server.public("/validate"), &json!({ "jwt": jwt }));
    assert!(matches!(status, 200 | 401), "{status}");
    status == 200
}

#[test]
fn an_api_key_from_creation_to_revocation() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.ok(&["account", "create", "robot"]);
    let said = sandbox.run(&["api-key", "create", "robot", "--comment", "nightly"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let key = said.stdout.trim();
    assert!(key.starts_with("cs_") && key.len() == 46 && !key.contains('\n'), "{key}");
    assert!(said.stderr.contains("nightly") && !said.stderr.contains(key), "{}", said.stderr);
    let created = sandbox.json(&["api-key", "create", "robot", "--expires-in", "120d"]);
    assert!(created["key"].as_str().unwrap().starts_with("cs_"));
    assert!(created["api_key"]["expires_at"].is_string());

    let robot = id(&sandbox, "robot");
    let (jwt, _) = server.authenticate(key, &robot);
    assert!(validates(&server, &jwt));
    let listed = sandbox.json(&["api-key", "list", "robot"]);
    let first = &listed["api_keys"][0];
    assert_eq!(
        (&first["comment"], &first["last_used_from"]),
        (&json!("nightly"), &json!("127.0.0.1"))
    );
    assert!(!listed.to_string().contains(key), "it was shown once");

    let key_id = first["id"].as_str().unwrap();
    sandbox.ok(&["api-key", "expire", "robot", key_id, "--in", "0s"]);
    let body = json!({ "key": key, "identifier": robot });
    assert_eq!(Server::post(&server.public("/authenticate"), &body).0, 401);
    sandbox.ok(&["api-key", "expire", "robot", key_id, "--never"]);
    assert!(validates(&server, &jwt));
    sandbox.ok(&["api-key", "revoke", "robot", key_id]);
    assert!(!validates(&server, &jwt), "what it bought goes with it");
    sandbox.fails(1, &["api-key", "expire", "robot", key_id, "--never"]);
    sandbox.fails(3, &["api-key", "revoke", "robot", "3fa85f64-5717-4562-b3fc-2c963f66afa6"]);
    sandbox.fails(3, &["api-key", "create", "nobody"]);
    sandbox.fails(2, &["api-key", "revoke", "robot", "x"]);
}

#[test]
fn tokens_are_revoked_by_id_by_themselves_and_by_account() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.ok(&["account", "create", "robot"]);
    let key = sandbox.ok(&["api-key", "create", "robot"]);
    let robot = id(&sandbox, "robot");
    let (first, _) = server.authenticate(key.trim(), &robot);
    let (second, _) = server.authenticate(key.trim(), &robot);
    let inspected = sandbox.json(&["token", "inspect", &first]);
    let jti = inspected["claims"]["jti"].as_str().unwrap();
    sandbox.ok(&["token", "revoke", jti]);
    assert_eq!((validates(&server, &first), validates(&server, &second)), (false, true));
    let (third, _) = server.authenticate(key.trim(), &robot);
    sandbox.ok(&["token", "revoke", &third]);
    assert_eq!((validates(&server, &second), validates(&server, &third)), (true, false));
    sandbox.ok(&["token", "revoke", "--account", "robot"]);
    assert!(!validates(&server, &second));
    sandbox.fails(3, &["token", "revoke", "--account", "nobody"]);
    sandbox.fails(2, &["token", "revoke"]);
    // What cannot be read is not repeated: it may be a token.
    for unreadable in ["secret", "secret.secret", "e30.e30.secret"] {
        let error = sandbox.fails(2, &["token", "revoke", unreadable]);
        assert!(!error.contains("secret"), "{error}");
    }

    // A restart forgets none of it.
    server.stop();
    let server = sandbox.serve(&[]);
    assert_eq!((validates(&server, &first), validates(&server, &second)), (false, false));
}

#[test]
fn signing_keys_are_rotated_imported_and_exported() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&["--signing-algorithm", "EdDSA"]);
    let states = |keys: &Value| -> Vec<String> {
        let keys = keys["signing_keys"].as_array().unwrap();
        keys.iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect()
    };
    let keys = sandbox.json(&["signing-key", "list"]);
    assert_eq!(states(&keys), ["active", "published"]);
    assert_eq!(keys["signing_keys"][0]["algorithm"], "EdDSA");

    let said = sandbox.fails(1, &["signing-key", "rotate"]);
    assert!(said.contains("10 minutes"), "{said}");
    let rotated = sandbox.json(&["signing-key", "rotate", "--now"]);
    assert_eq!(states(&rotated), ["active", "published"], "the former one is gone");
    assert_eq!(rotated["signing_keys"][0]["kid"], keys["signing_keys"][1]["kid"]);

    sandbox.key("elsewhere");
    let import = ["signing-key", "import", "elsewhere.key", "--kid", "-their/1"];
    assert_eq!(states(&sandbox.json(&import)), ["active", "published", "published"]);
    sandbox.fails(1, &import);
    sandbox.fails(2, &["signing-key", "import", "elsewhere.key", "--algorithm", "RS256"]);
    sandbox.fails(2, &["signing-key", "import", "nothing.key"]);

    let exported: Value =
        serde_json::from_str(&sandbox.ok(&["signing-key", "export-public"])).unwrap();
    assert_eq!(exported, Server::get(&server.public("/jwks")));
    let pem = sandbox.ok(&["signing-key", "export-public", "--format", "pem"]);
    assert_eq!(pem.matches("BEGIN PUBLIC KEY").count(), 3);
    assert!(
        pem.contains(sandbox.ok(&["key", "convert", "elsewhere.key.pub", "--to", "pem"]).trim())
    );

    sandbox.ok(&["signing-key", "retire", "-their/1"]);
    assert!(sandbox.ok(&["audit", "list", "--target", "-their"]).contains("-their/1"));
    let active = rotated["signing_keys"][0]["kid"].as_str().unwrap();
    let said = sandbox.fails(1, &["signing-key", "retire", "--", active]);
    assert!(said.contains("rotate first"), "{said}");
    sandbox.fails(3, &["signing-key", "retire", "nothing"]);
}

/// Runs a statement on the database of a sandbox, as nobody should.
fn tamper(sandbox: &Sandbox, statement: &'static str) {
    let file = SqliteConnectOptions::new().filename(sandbox.path("data/countersign.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = SqliteConnection::connect_with(&file).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn a_signing_key_that_is_damaged_can_be_got_rid_of() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    server.stop();
    tamper(&sandbox, "UPDATE countersign_signing_keys SET spki = x'00'");
    let server = sandbox.serve(&[]);
    let listed = sandbox.json(&["signing-key", "list"]);
    assert_eq!(listed["signing_keys"], json!([]));
    let unusable = listed["unusable"].as_array().unwrap();
    let kid = |signs| {
        let mut keys = unusable.iter();
        let key = keys.find(|key| key["activated_at"].is_string() == signs);
        key.unwrap()["kid"].as_str().unwrap()
    };
    let (active, standby) = (kid(true), kid(false));

    let said = sandbox.run(&["signing-key", "list"]);
    assert_eq!(said.stdout.matches("unusable").count(), 2, "{}", said.stdout);
    let replace = "countersign signing-key rotate --now";
    let retire = format!("countersign signing-key retire {standby}");
    let doctor = sandbox.run(&["doctor"]);
    let log = server.log();
    for advice in [replace, &retire] {
        assert!(said.stderr.contains(advice), "{}", said.stderr);
        assert!(doctor.stdout.contains(advice), "{}", doctor.stdout);
        assert!(log.contains(advice), "{log}");
    }

    let said = sandbox.run(&["signing-key", "retire", active]);
    assert!(said.stderr.contains("no key signs now"), "{}", said.stderr);
    let rotated = sandbox.json(&["signing-key", "rotate", "--now"]);
    assert_eq!(rotated["signing_keys"].as_array().unwrap().len(), 2);
    let said = sandbox.run(&["signing-key", "retire", standby]);
    assert_eq!((said.code, &*said.stderr), (0, ""));
    assert!(!said.stdout.contains("unusable"), "{}", said.stdout);
    let doctor = sandbox.run(&["doctor"]);
    assert!(!doctor.stdout.contains("cannot be used"), "{}", doctor.stdout);
    server.stop();
    sandbox.ok(&["encryption-key", "rotate"]);
    let server = sandbox.serve(&[]);
    sandbox.ok(&["account", "create", "robot"]);
    let key = sandbox.ok(&["api-key", "create", "robot"]);
    let (jwt, _) = server.authenticate(key.trim(), &id(&sandbox, "robot"));
    assert!(validates(&server, &jwt));
}

#[test]
fn a_restart_keeps_every_token_and_a_wrong_encryption_key_stops_it() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.ok(&["account", "create", "robot"]);
    let key = sandbox.ok(&["api-key", "create", "robot"]);
    let robot = id(&sandbox, "robot");
    let (jwt, refresh_token) = server.authenticate(key.trim(), &robot);
    server.stop();
    assert_eq!(mode(&sandbox.path("data/encryption.key")), 0o600);

    let server = sandbox.serve(&[]);
    assert!(validates(&server, &jwt));
    let body = json!({ "refresh_token": refresh_token, "identifier": robot });
    assert_eq!(Server::post(&server.public("/refresh"), &body).0, 200);
    server.authenticate(key.trim(), &robot);
    server.stop();

    let right = sandbox.read("data/encryption.key");
    sandbox.write("other.key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    let said = sandbox.fails(2, &["serve", "--encryption-key-file", "other.key"]);
    assert!(said.contains("encryption key is not the one"), "{said}");
    sandbox.write("short.key", "AAEC");
    let said = sandbox.fails(2, &["serve", "--encryption-key-file", "short.key"]);
    assert!(said.contains("short.key") && said.contains("32 bytes"), "{said}");
    // Lost, it is not made anew: every key would be lost with it.
    std::fs::remove_file(sandbox.path("data/encryption.key")).unwrap();
    sandbox.fails(2, &["serve"]);
    std::fs::remove_file(sandbox.path("data/encryption.key")).unwrap();
    let server = sandbox.serve_with(&[], &[("COUNTERSIGN_ENCRYPTION_KEY", right.trim())]);
    assert!(validates(&server, &jwt));
    assert!(!sandbox.path("data/encryption.key").exists());
}

#[test]
fn the_encryption_key_is_replaced_and_nothing_is_lost() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&[]);
    sandbox.ok(&["account", "create", "robot"]);
    let key = sandbox.ok(&["api-key", "create", "robot"]);
    let robot = id(&sandbox, "robot");
    let (jwt, refresh_token) = server.authenticate(key.trim(), &robot);
    sandbox.fails(2, &["encryption-key", "rotate"]);
    server.stop();

    let former = sandbox.read("data/encryption.key");
    let rotated = sandbox.json(&["encryption-key", "rotate"]);
    assert_eq!(rotated["secrets"], 3, "two signing keys and the secret of the hashes");
    let kept = std::fs::read_to_string(rotated["former_key"].as_str().unwrap()).unwrap();
    assert_eq!(kept, former);
    assert_ne!(sandbox.read("data/encryption.key"), former);
    assert_eq!(mode(&sandbox.path("data/encryption.key")), 0o600);
    let goes_on = |server: &Server| {
        assert!(validates(server, &jwt));
        let body = json!({ "refresh_token": refresh_token, "identifier": robot });
        assert_eq!(Server::post(&server.public("/refresh"), &body).0, 200);
        server.authenticate(key.trim(), &robot);
    };
    let server = sandbox.serve(&[]);
    goes_on(&server);
    server.stop();

    // One of the operator's own, in a file.
    sandbox.write("new.key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
    sandbox.ok(&["encryption-key", "rotate", "--new-key-file", "new.key"]);
    sandbox.fails(2, &["serve"]);
    let server = sandbox.serve(&["--encryption-key-file", "new.key"]);
    goes_on(&server);
    server.stop();
    let given = ["encryption-key", "rotate", "--encryption-key-file", "new.key"];
    let said = sandbox.fails(2, &given);
    assert!(said.contains("--new-key-file"), "{said}");
    sandbox.fails(2, &["encryption-key", "rotate", "--new-key-file", "new.key"]);
}
