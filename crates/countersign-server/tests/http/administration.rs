//! What operators can do, and what they cannot.

use countersign_core::{AccountName, KeyKind, PrivateKey};
use countersign_server::api::{Account, Accounts, Audit, PublicKey, PublicKeys, routes};
use http::StatusCode;
use serde_json::json;

use crate::support::World;

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

#[tokio::test]
async fn an_account_lives_and_dies() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let path = routes::account(&name("grü/7"));

    let new = json!({"name": "grü/7", "groups": ["ops", "billing", "ops"]}).to_string();
    let created = world.call(&admin, "POST", routes::ACCOUNTS, &new).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.header("location"), path);
    let created: Account = created.json();
    assert_eq!(
        created.groups.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["billing", "ops"]
    );

    let shown: Account = world.call(&admin, "GET", &path, "").await.json();
    assert_eq!(shown, created);
    let changed: Account = world.call(&admin, "PATCH", &path, r#"{"disabled": true}"#).await.json();
    assert!(changed.disabled);
    let changed: Account = world.call(&admin, "PATCH", &path, r#"{"groups": []}"#).await.json();
    assert!(changed.groups.is_empty());
    let listed: Accounts = world.call(&admin, "GET", routes::ACCOUNTS, "").await.json();
    assert_eq!(listed.accounts.len(), 2);

    assert_eq!(world.call(&admin, "DELETE", &path, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.call(&admin, "DELETE", &path, "").await.problem(), "no-such-account");
    assert_eq!(world.call(&admin, "GET", &path, "").await.problem(), "no-such-account");
}

#[tokio::test]
async fn a_key_is_added_expired_and_revoked() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    world.account("worker", &[]).await;
    let keys = routes::keys(&name("worker"));
    let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let new = json!({"public_key": key.public_key().to_spki_pem(), "comment": "second"});
    let added: PublicKey = world.call(&admin, "POST", &keys, &new.to_string()).await.json();
    assert_eq!(added.comment, "second");
    let listed: PublicKeys = world.call(&admin, "GET", &keys, "").await.json();
    assert_eq!(listed.keys[1], added);

    let by = [
        &added.fingerprints.openssh,
        &added.fingerprints.spki_pem_sha256,
        &added.fingerprints.jwk_thumbprint,
    ];
    for fingerprint in by {
        let path = routes::key(&name("worker"), fingerprint);
        let body = r#"{"expires_at": "2027-01-15T09:00:00Z"}"#;
        let changed: PublicKey = world.call(&admin, "PATCH", &path, body).await.json();
        assert_eq!(changed.expires_at.unwrap().to_string(), "2027-01-15T09:00:00Z");
    }
    let revoke = routes::revoke_key(&name("worker"), by[0]);
    let revoked: PublicKey = world.call(&admin, "POST", &revoke, "").await.json();
    let again: PublicKey = world.call(&admin, "POST", &revoke, "").await.json();
    assert!(revoked.revoked_at.is_some());
    assert_eq!(again, revoked);

    let audit: Audit = world.call(&admin, "GET", routes::AUDIT, "").await.json();
    let last = audit.records.last().unwrap();
    assert_eq!((last.actor.as_str(), last.action.as_str()), ("root", "key.revoke"));
}
