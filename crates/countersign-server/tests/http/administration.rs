//! What operators can do.

use countersign_core::{AccountName, GroupName, KeyKind, PrivateKey, RequestSigner};
use countersign_server::Settings;
use countersign_server::api::{
    Account, Accounts, AccountsQuery, Audit, AuditQuery, AuditRecord, JwksEndpoint, JwksEndpoints,
    PublicKey, PublicKeys, routes,
};
use countersign_server::internal::JwksUrlRule;
use countersign_store::{JwksRules, JwksUrl};
use http::StatusCode;
use serde_json::json;

use crate::support::{INSTANCE, PEER, World, answer, from_peer};

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

fn group(text: &str) -> GroupName {
    GroupName::new(text).unwrap()
}

fn rule() -> JwksUrlRule {
    let rules = JwksRules::default();
    JwksUrlRule::new(move |url| match JwksUrl::parse(url, &rules) {
        Ok(url) => Ok(url.as_str().to_owned()),
        Err(error) => Err(error.to_string()),
    })
}

async fn world() -> (World, RequestSigner) {
    let world = World::with(Settings { jwks_urls: rule(), ..Settings::new(INSTANCE) });
    let admin = world.account("root", &["admin"]).await;
    (world, admin)
}

/// The one act since the last look.
async fn only_new_act(world: &World, admin: &RequestSigner, after: &mut i64) -> AuditRecord {
    let query = AuditQuery { after: Some(*after), limit: None, ..AuditQuery::default() };
    let audit: Audit = world.call(admin, "GET", &routes::audit(&query), "").await.json();
    assert_eq!(audit.records.len(), 1, "{:?}", audit.records);
    let record = audit.records.into_iter().next().unwrap();
    *after = record.sequence;
    assert_eq!(record.actor, "root");
    assert_eq!(record.at.to_string(), "2027-01-15T08:00:00Z");
    assert!(PEER.starts_with(&record.from.unwrap().to_string()));
    record
}

async fn last_sequence(world: &World, admin: &RequestSigner) -> i64 {
    let audit: Audit = world.call(admin, "GET", routes::AUDIT, "").await.json();
    audit.records.last().unwrap().sequence
}

#[tokio::test]
async fn an_account_is_made_shown_changed_and_deleted_and_each_act_is_on_record() {
    let (world, admin) = world().await;
    let mut seen = last_sequence(&world, &admin).await;
    let path = routes::account(&name("grü/7"));

    let new = json!({"name": "grü/7", "groups": ["ops", "billing", "ops"]}).to_string();
    let answer = world.call(&admin, "POST", routes::ACCOUNTS, &new).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.header("location"), path);
    let created: Account = answer.json();
    assert_eq!(created.groups, [group("billing"), group("ops")]);
    assert_eq!(created.id.0.get_version_num(), 4);
    let act = only_new_act(&world, &admin, &mut seen).await;
    assert_eq!((act.action.as_str(), &act.before), ("account.create", &json!(null)));
    assert_eq!(act.after["groups"], json!(["billing", "ops"]));

    let shown: Account = world.call(&admin, "GET", &path, "").await.json();
    assert_eq!(shown, created);

    for disabled in [true, false] {
        let body = json!({ "disabled": disabled }).to_string();
        let changed: Account = world.call(&admin, "PATCH", &path, &body).await.json();
        assert_eq!(changed.disabled, disabled);
        let act = only_new_act(&world, &admin, &mut seen).await;
        assert_eq!(act.before["disabled"], json!(!disabled));
        assert_eq!(act.after["disabled"], json!(disabled));
    }
    let changed: Account = world.call(&admin, "PATCH", &path, r#"{"groups": []}"#).await.json();
    assert!(changed.groups.is_empty());
    assert_eq!(only_new_act(&world, &admin, &mut seen).await.after["groups"], json!([]));

    let deleted = world.call(&admin, "DELETE", &path, "").await;
    assert_eq!((deleted.status, deleted.body.as_str()), (StatusCode::NO_CONTENT, ""));
    let act = only_new_act(&world, &admin, &mut seen).await;
    assert_eq!((act.action.as_str(), &act.after), ("account.delete", &json!(null)));
    assert_eq!(world.call(&admin, "GET", &path, "").await.problem(), "no-such-account");
}

#[tokio::test]
async fn an_account_can_have_an_id_of_the_operators_choice() {
    let (world, admin) = world().await;
    let id = "0193a1b2-0000-7000-8000-000000000001";
    let body = json!({"name": "chosen", "id": id}).to_string();
    let created: Account = world.call(&admin, "POST", routes::ACCOUNTS, &body).await.json();
    assert_eq!(created.id.to_string(), id);
    let body = json!({"name": id, "id": id}).to_string();
    assert_eq!(
        world.call(&admin, "POST", routes::ACCOUNTS, &body).await.problem(),
        "account-exists"
    );
    let other = json!({"name": "0193a1b2-0000-7000-8000-000000000002"}).to_string();
    assert_eq!(
        world.call(&admin, "POST", routes::ACCOUNTS, &other).await.problem(),
        "invalid-request"
    );
}

#[tokio::test]
async fn accounts_are_listed_in_pages_and_filtered() {
    let (world, admin) = world().await;
    for (name, groups) in [("a", vec!["x"]), ("b", vec![]), ("ab&c", vec!["x"])] {
        world.account(name, &groups).await;
    }
    let list = async |query: AccountsQuery| -> (Vec<String>, Option<AccountName>) {
        let listed: Accounts =
            world.call(&admin, "GET", &routes::accounts(&query), "").await.json();
        (listed.accounts.iter().map(|account| account.name.to_string()).collect(), listed.next)
    };
    let mut query = AccountsQuery { limit: Some(2), ..AccountsQuery::default() };
    let (names, next) = list(query.clone()).await;
    assert_eq!((names, &next), (vec!["a".into(), "ab&c".into()], &Some(name("ab&c"))));
    query.after = next;
    let (names, next) = list(query.clone()).await;
    assert_eq!((names, &next), (vec!["b".into(), "root".into()], &Some(name("root"))));
    query.after = next;
    assert_eq!(list(query).await, (vec![], None));

    let query = AccountsQuery { group: Some(group("x")), ..AccountsQuery::default() };
    assert_eq!(list(query).await, (vec!["a".into(), "ab&c".into()], None));
    let query = AccountsQuery { name_contains: Some("b&".into()), ..AccountsQuery::default() };
    assert_eq!(list(query).await, (vec!["ab&c".into()], None));
}

#[tokio::test]
async fn a_key_is_added_expired_and_revoked_and_each_act_is_on_record() {
    let (world, admin) = world().await;
    world.account("worker", &[]).await;
    let worker = name("worker");
    let mut seen = last_sequence(&world, &admin).await;
    let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
    let new = json!({
        "public_key": key.public_key().to_spki_pem(),
        "comment": "second",
        "expires_at": "2027-02-01T00:00:00+01:00",
    })
    .to_string();
    let keys = routes::keys(&worker);
    let answer = world.call(&admin, "POST", &keys, &new).await;
    assert_eq!(answer.status, StatusCode::OK);
    let added: PublicKey = answer.json();
    assert_eq!(
        (added.key_type.as_str(), added.bits, added.comment.as_str()),
        ("Ed25519", 256, "second")
    );
    assert_eq!(added.expires_at.unwrap().to_string(), "2027-01-31T23:00:00Z");
    assert_eq!(only_new_act(&world, &admin, &mut seen).await.before, json!(null));
    let again: PublicKey = world.call(&admin, "POST", &keys, &new).await.json();
    assert_eq!(again, added, "the same key is one key");
    let listed: PublicKeys = world.call(&admin, "GET", &keys, "").await.json();
    assert_eq!(listed.keys.len(), 2);
    assert_eq!(listed.keys[1], added);

    seen = last_sequence(&world, &admin).await;
    let names = &added.fingerprints;
    for (fingerprint, expires_at) in [
        (&names.openssh, json!("2027-01-15T09:00:00Z")),
        (&names.spki_pem_sha256, json!(null)),
        (&names.jwk_thumbprint, json!("2027-01-15T10:00:00.5Z")),
    ] {
        let body = json!({ "expires_at": expires_at }).to_string();
        let path = routes::key(&worker, fingerprint);
        let changed: PublicKey = world.call(&admin, "PATCH", &path, &body).await.json();
        assert_eq!(json!(changed.expires_at), expires_at);
        only_new_act(&world, &admin, &mut seen).await;
    }

    let revoke = routes::revoke_key(&worker, &names.openssh);
    let revoked: PublicKey = world.call(&admin, "POST", &revoke, "").await.json();
    assert_eq!(revoked.revoked_at.unwrap().to_string(), "2027-01-15T08:00:00Z");
    let act = only_new_act(&world, &admin, &mut seen).await;
    assert_eq!(act.action, "key.revoke");
    assert!(act.target.contains(&names.openssh) && act.target.contains("worker"));
    world.clock.advance(5);
    let again: PublicKey = world.call(&admin, "POST", &revoke, "").await.json();
    assert_eq!(again, revoked, "revoking again changes nothing");
    assert_eq!(world.call(&admin, "POST", &keys, &new).await.problem(), "key-revoked");
}

#[tokio::test]
async fn the_comment_of_a_key_comes_from_its_file_where_none_is_given() {
    let (world, admin) = world().await;
    world.account("worker", &[]).await;
    let line = |comment: &str| {
        let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
        key.public_key().to_openssh(Some(comment))
    };
    let add = async |body: serde_json::Value| -> PublicKey {
        let path = routes::keys(&name("worker"));
        world.call(&admin, "POST", &path, &body.to_string()).await.json()
    };
    assert_eq!(add(json!({"public_key": line("me@host")})).await.comment, "me@host");
    assert_eq!(add(json!({"public_key": line("me@host"), "comment": ""})).await.comment, "");
    let long = add(json!({"public_key": line(&"ü".repeat(200))})).await.comment;
    assert_eq!(long, "ü".repeat(128), "cut to 256 bytes");
}

#[tokio::test]
async fn a_jwks_endpoint_is_added_and_removed_and_each_act_is_on_record() {
    let (world, admin) = world().await;
    world.account("worker", &[]).await;
    let worker = name("worker");
    let path = routes::jwks_endpoints(&worker);
    let mut seen = last_sequence(&world, &admin).await;
    let new = json!({"url": "HTTPS://Keys.Example:443/a?b=c&d"}).to_string();
    let added: JwksEndpoint = world.call(&admin, "POST", &path, &new).await.json();
    assert_eq!(added.url, "https://keys.example/a?b=c&d");
    only_new_act(&world, &admin, &mut seen).await;
    let again: JwksEndpoint = world.call(&admin, "POST", &path, &new).await.json();
    assert_eq!(again, added);
    let listed: JwksEndpoints = world.call(&admin, "GET", &path, "").await.json();
    assert_eq!(listed.endpoints, [added]);

    seen = last_sequence(&world, &admin).await;
    let remove = routes::jwks_endpoint(&worker, "https://KEYS.example/a?b=c&d");
    assert_eq!(world.call(&admin, "DELETE", &remove, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(only_new_act(&world, &admin, &mut seen).await.after, json!(null));
    assert_eq!(world.call(&admin, "DELETE", &remove, "").await.problem(), "no-such-jwks-endpoint");
    let listed: JwksEndpoints = world.call(&admin, "GET", &path, "").await.json();
    assert!(listed.endpoints.is_empty());
}

#[tokio::test]
async fn an_account_has_no_more_than_16_jwks_endpoints() {
    let (world, admin) = world().await;
    world.account("worker", &[]).await;
    let path = routes::jwks_endpoints(&name("worker"));
    let add = async |number: u32| {
        let body = json!({"url": format!("https://keys.example/{number}")}).to_string();
        world.call(&admin, "POST", &path, &body).await
    };
    for number in 0..16 {
        assert_eq!(add(number).await.status, StatusCode::OK);
    }
    assert_eq!(add(16).await.problem(), "too-many");
    assert_eq!(add(3).await.status, StatusCode::OK, "one that is there is no new one");
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let (world, admin) = world().await;
    let root = routes::account(&name("root"));
    let keys: PublicKeys = world.call(&admin, "GET", &routes::keys(&name("root")), "").await.json();
    let fingerprint = &keys.keys[0].fingerprints.openssh;
    let key = routes::key(&name("root"), fingerprint);
    let revoke = routes::revoke_key(&name("root"), fingerprint);
    for (method, path, body) in [
        ("PATCH", &root, r#"{"disabled": true}"#),
        ("PATCH", &root, r#"{"groups": ["ops"]}"#),
        ("PATCH", &key, r#"{"expires_at": "2026-01-01T00:00:00Z"}"#),
        ("POST", &revoke, ""),
        ("DELETE", &root, ""),
    ] {
        let answer = world.call(&admin, method, path, body).await;
        assert_eq!(answer.problem(), "last-admin", "{method} {path} {body}");
        assert_eq!(answer.status, StatusCode::CONFLICT);
    }
    world.account("second", &["admin"]).await;
    assert_eq!(world.call(&admin, "DELETE", &root, "").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn nobody_can_say_that_an_act_came_from_elsewhere() {
    let (world, admin) = world().await;
    let mut request = world.signed(&admin, "POST", routes::ACCOUNTS, r#"{"name": "x"}"#);
    request.headers_mut().insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
    let router = from_peer(world.service.internal(), "127.0.0.1:4711");
    assert_eq!(answer(router, request).await.status, StatusCode::CREATED);
    let audit: Audit = world.call(&admin, "GET", routes::AUDIT, "").await.json();
    assert_eq!(audit.records.last().unwrap().from.unwrap().to_string(), "127.0.0.1");
}

#[tokio::test]
async fn the_trail_is_read_in_pages() {
    let (world, admin) = world().await;
    for number in 0..3 {
        world.account(&format!("a{number}"), &[]).await;
    }
    let mut query = AuditQuery { after: None, limit: Some(3), ..AuditQuery::default() };
    let mut sequences = Vec::new();
    loop {
        let path = routes::audit(&query);
        let audit: Audit = world.call(&admin, "GET", &path, "").await.json();
        sequences.extend(audit.records.iter().map(|record| record.sequence));
        match audit.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!(sequences.len(), 8, "four accounts, four keys");
    assert!(sequences.is_sorted_by(|a, b| a < b));
}
