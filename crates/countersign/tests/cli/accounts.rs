//! The administrating commands and the shape of their JSON.

use serde_json::{Value, json};

use crate::audit::acts;
use crate::support::Sandbox;

fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn accounts_as_json() {
    let sandbox = Sandbox::new();
    let _server = sandbox.serve(&[]);
    let id = "6e8bc430-9c3a-41a4-8a3e-2a9a3b2f1c55";
    let create = ["account", "create", "robot", "--group", "b", "--group", "a", "--id", id];
    let account = sandbox.json(&create);
    assert_eq!(
        members(&account),
        [
            "created_at",
            "disabled",
            "groups",
            "id",
            "last_used_at",
            "last_used_from",
            "name",
            "registered",
            "tokens_revoked_at"
        ]
    );
    assert_eq!(account["id"], id);
    assert_eq!(account["groups"], json!(["a", "b"]));
    assert_eq!(account["disabled"], false);

    assert_eq!(sandbox.json(&["account", "show", "robot"]), account);
    let listed = sandbox.json(&["account", "list", "--name-contains", "rob"]);
    assert_eq!(listed, json!({ "accounts": [account] }));
    let changed = sandbox.json(&["account", "set-groups", "robot"]);
    assert_eq!(changed["groups"], json!([]));
    assert_eq!(sandbox.json(&["account", "list", "--group", "a"]), json!({ "accounts": [] }));
    let deleted = sandbox.json(&["account", "delete", "robot", "--yes"]);
    assert_eq!(deleted, json!({ "deleted": "robot" }));
}

#[test]
fn keys_as_json() {
    let sandbox = Sandbox::new();
    let _server = sandbox.serve(&[]);
    sandbox.key("robot");
    sandbox.ok(&["account", "create", "robot"]);
    let line = sandbox.ok(&["key", "convert", "robot.key.pub", "--to", "openssh"]);
    sandbox.write("robot.ssh", format!("{} from the file\n", line.trim()));
    let key = sandbox.json(&["key", "add", "robot", "robot.ssh", "--expires-in", "90d"]);
    assert_eq!(
        members(&key),
        [
            "bits",
            "comment",
            "created_at",
            "expires_at",
            "fingerprints",
            "last_used_at",
            "last_used_from",
            "public_key",
            "revoked_at",
            "type"
        ]
    );
    assert_eq!(members(&key["fingerprints"]), ["jwk_thumbprint", "openssh", "spki_pem_sha256"]);
    assert_eq!(key["comment"], "from the file");
    assert_eq!(key["type"], "Ed25519");
    assert!(key["expires_at"].is_string());
    assert_eq!(sandbox.json(&["key", "list", "robot"]), json!({ "keys": [key] }));

    // Each of the three names will do.
    for name in ["openssh", "spki_pem_sha256", "jwk_thumbprint"] {
        let fingerprint = key["fingerprints"][name].as_str().unwrap();
        let lifted = sandbox.json(&["key", "expire", "--never", "--", "robot", fingerprint]);
        assert_eq!(lifted["expires_at"], Value::Null, "{name}");
    }
}

#[test]
fn what_is_not_there_exits_with_3() {
    let sandbox = Sandbox::new();
    let _server = sandbox.serve(&[]);
    let said = sandbox.fails(3, &["account", "show", "nobody"]);
    assert!(said.contains("nobody"), "{said}");
    sandbox.fails(3, &["account", "delete", "nobody", "--yes"]);
    sandbox.fails(3, &["key", "list", "nobody"]);
    sandbox.account("robot");
    sandbox.key("other");
    sandbox.fails(3, &["key", "revoke", "robot", &sandbox.fingerprint("other")]);
    sandbox.fails(1, &["account", "create", "robot"]);
}

#[test]
fn deleting_is_asked_about_unless_told_not_to() {
    let sandbox = Sandbox::new();
    let _server = sandbox.serve(&[]);
    sandbox.account("robot");
    let said = sandbox.fails(2, &["account", "delete", "robot"]);
    assert!(said.contains("--yes"), "{said}");
    sandbox.ok(&["account", "show", "robot"]);
}

#[test]
fn the_trail_tells_who_did_what() {
    let sandbox = Sandbox::new();
    let _server = sandbox.serve(&[]);
    sandbox.account("robot");
    sandbox.ok(&["account", "disable", "robot"]);
    let records = acts(&sandbox.ok(&["audit", "list", "-o", "json"]));
    let actions: Vec<_> = records.iter().map(|record| record["action"].as_str().unwrap()).collect();
    let first_start = ["admin.bootstrap", "signing-key.add", "signing-key.add"];
    assert_eq!(actions[..3], first_start);
    assert_eq!(actions[3..], ["account.create", "key.add", "account.disable"]);
    let last = &records[5];
    assert_eq!(last["actor"], "admin");
    assert_eq!(last["from"], "127.0.0.1");
    assert_eq!(last["target"], "account robot");
    assert_ne!(last["before"], last["after"]);
    let behind = last["sequence"].as_i64().unwrap() - 1;
    let rest = sandbox.ok(&["audit", "list", "--after", &behind.to_string(), "-o", "json"]);
    assert_eq!(acts(&rest), std::slice::from_ref(last));
}

#[test]
fn jwks_endpoints_are_added_listed_and_removed() {
    let sandbox = Sandbox::new();
    let _server = sandbox.serve(&[]);
    sandbox.ok(&["account", "create", "robot"]);
    // A name that resolves nowhere (RFC 6761): nothing leaves this machine.
    let url = "https://keys.invalid/jwks.json";
    assert_eq!(sandbox.json(&["jwks", "add", "robot", url])["url"], url);
    assert_eq!(sandbox.json(&["jwks", "list", "robot"])["endpoints"][0]["url"], url);
    sandbox.ok(&["jwks", "remove", "robot", url]);
    assert_eq!(sandbox.json(&["jwks", "list", "robot"])["endpoints"], json!([]));
    sandbox.fails(3, &["jwks", "remove", "robot", url]);
    let said = sandbox.fails(2, &["jwks", "add", "robot", "http://keys.example/jwks.json"]);
    assert!(said.contains("https"), "{said}");
}
