//! API keys: one hash, one account; registered by anybody, but only into accounts
//! that registrations have made.

use std::sync::Arc;

use countersign_core::ports::{AccountChange, ApiKeyRecord, NewApiKey, StoreError};
use countersign_core::{AccountId, ApiKeyId, SecretHash, UnixTime};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{act, address, cases, create, group, id, name, trail};
use crate::registry::{CredentialUse, RegistryStore, RevokedToken, UsedCredential};

cases!(RegistryStore:
    an_api_key_is_stored_as_it_was_given,
    a_hash_belongs_to_one_account,
    an_expiry_is_set_and_cleared,
    a_revoked_api_key_stays_revoked,
    accounts_are_found_by_id_and_by_api_key,
    a_registration_makes_the_account_and_renews_the_key,
    a_registration_changes_nothing_of_others,
    registrations_at_the_same_time_make_one_key,
    revoking_tokens_is_dated_and_does_not_go_back,
    revoked_tokens_are_remembered_as_long_as_need_be,
    the_latest_use_of_an_api_key_is_remembered,
    what_is_done_to_api_keys_is_in_the_trail,
);

fn hash(number: u8) -> SecretHash {
    SecretHash::from_bytes([number; 32])
}

fn new_key(number: u8) -> NewApiKey {
    NewApiKey {
        id: ApiKeyId(Uuid::from_u128(number.into())),
        hash: hash(number),
        comment: String::new(),
        expires_at: None,
    }
}

async fn keys(store: &dyn RegistryStore, account: &str) -> Vec<ApiKeyRecord> {
    store.api_keys(&name(account)).await.expect("an answer").expect("the account")
}

async fn register(
    store: &dyn RegistryStore,
    account: AccountId,
    new: NewApiKey,
) -> Result<ApiKeyRecord, StoreError> {
    store.register_api_key(&act(5), account, new).await
}

async fn an_api_key_is_stored_as_it_was_given(store: Arc<dyn RegistryStore>) {
    let robot = create(&*store, 1, "robot", &[]).await;
    assert_eq!(store.api_keys(&name("nobody")).await, Ok(None));
    let expires_at = Some(UnixTime::from_micros(90_000_001));
    let first = NewApiKey { comment: "Grüße; --".to_owned(), expires_at, ..new_key(1) };
    let added = store.add_api_key(&act(5), &robot.name, first.clone()).await.expect("a key");
    store.add_api_key(&act(5), &robot.name, new_key(2)).await.expect("another");
    let expected = ApiKeyRecord {
        id: first.id,
        account: robot.id,
        hash: first.hash,
        comment: first.comment,
        created_at: UnixTime::from_secs(5),
        expires_at,
        revoked_at: None,
        last_used_at: None,
        last_used_from: None,
    };
    assert_eq!(added, expected);
    let listed = keys(&*store, "robot").await;
    assert_eq!(listed[0], expected);
    assert_eq!(listed.iter().map(|key| key.hash).collect::<Vec<_>>(), [hash(1), hash(2)]);
    let loaded = store.load(&robot.name).await.expect("an answer").expect("the account");
    assert_eq!(loaded.api_keys, listed);
}

async fn a_hash_belongs_to_one_account(store: Arc<dyn RegistryStore>) {
    create(&*store, 1, "robot", &[]).await;
    create(&*store, 2, "other", &[]).await;
    let add = async |account: &str, new| store.add_api_key(&act(5), &name(account), new).await;
    add("robot", new_key(1)).await.expect("a key");
    assert_eq!(add("other", new_key(1)).await, Err(StoreError::ApiKeyExists));
    let same_hash = NewApiKey { hash: hash(1), ..new_key(2) };
    assert_eq!(add("robot", same_hash).await, Err(StoreError::ApiKeyExists));
    assert_eq!(add("nobody", new_key(3)).await, Err(StoreError::NoSuchAccount));
    assert_eq!(keys(&*store, "robot").await.len(), 1);
    assert_eq!(keys(&*store, "other").await, []);
    store.delete_account(&act(6), &name("robot")).await.expect("a deletion");
    add("other", new_key(1)).await.expect("a key that nobody has any more");
}

async fn an_expiry_is_set_and_cleared(store: Arc<dyn RegistryStore>) {
    create(&*store, 1, "robot", &[]).await;
    let (robot, key) = (name("robot"), new_key(1));
    store.add_api_key(&act(2), &robot, key.clone()).await.expect("a key");
    for expiry in [Some(UnixTime::from_secs(9)), None] {
        let changed = store.expire_api_key(&act(3), &robot, key.id, expiry).await;
        assert_eq!(changed.expect("an answer").expect("the key").expires_at, expiry);
        assert_eq!(keys(&*store, "robot").await[0].expires_at, expiry);
    }
    create(&*store, 2, "other", &[]).await;
    assert_eq!(store.expire_api_key(&act(3), &name("other"), key.id, None).await, Ok(None));
    let unknown = ApiKeyId(Uuid::from_u128(99));
    assert_eq!(store.expire_api_key(&act(3), &robot, unknown, None).await, Ok(None));
}

async fn a_revoked_api_key_stays_revoked(store: Arc<dyn RegistryStore>) {
    create(&*store, 1, "robot", &[]).await;
    let (robot, key) = (name("robot"), new_key(1));
    store.add_api_key(&act(2), &robot, key.clone()).await.expect("a key");
    for seconds in [3, 4] {
        let revoked = store.revoke_api_key(&act(seconds), &robot, key.id).await;
        let revoked = revoked.expect("an answer").expect("the key");
        assert_eq!(revoked.revoked_at, Some(UnixTime::from_secs(3)));
    }
    let expired = store.expire_api_key(&act(5), &robot, key.id, None).await;
    assert_eq!(expired, Err(StoreError::KeyRevoked));
    let again = NewApiKey { hash: key.hash, ..new_key(2) };
    let again = store.add_api_key(&act(6), &robot, again).await;
    assert_eq!(again, Err(StoreError::ApiKeyExists));
}

async fn accounts_are_found_by_id_and_by_api_key(store: Arc<dyn RegistryStore>) {
    create(&*store, 1, "robot", &[]).await;
    create(&*store, 2, "other", &[]).await;
    store.add_api_key(&act(2), &name("robot"), new_key(1)).await.expect("a key");
    assert_eq!(store.name_by_id(id(1)).await, Ok(Some(name("robot"))));
    assert_eq!(store.name_by_id(id(3)).await, Ok(None));
    assert_eq!(store.name_by_api_key(&hash(1)).await, Ok(Some(name("robot"))));
    assert_eq!(store.name_by_api_key(&hash(2)).await, Ok(None));
}

async fn a_registration_makes_the_account_and_renews_the_key(store: Arc<dyn RegistryStore>) {
    let expiry = |seconds| Some(UnixTime::from_secs(seconds));
    let first = NewApiKey { expires_at: expiry(10), ..new_key(1) };
    let made = register(&*store, id(7), first.clone()).await.expect("a registration");
    assert_eq!((made.account, made.expires_at), (id(7), expiry(10)));
    let called = id(7).to_string();
    let account = store.account(&name(&called)).await.expect("an answer").expect("the account");
    assert!(account.registered && account.groups.is_empty() && account.id == id(7));

    let again = NewApiKey { id: ApiKeyId(Uuid::from_u128(9)), expires_at: expiry(20), ..first };
    let renewed = register(&*store, id(7), again).await.expect("a renewal");
    assert_eq!((renewed.id, renewed.expires_at), (made.id, expiry(20)));
    register(&*store, id(7), new_key(2)).await.expect("a second key");
    assert_eq!(keys(&*store, &called).await.len(), 2);
}

async fn a_registration_changes_nothing_of_others(store: Arc<dyn RegistryStore>) {
    let refused = Err(StoreError::NotRegistrable);
    // Made by an operator, under the name that a registration would give it.
    create(&*store, 1, &id(1).to_string(), &[]).await;
    assert_eq!(register(&*store, id(1), new_key(1)).await, refused);
    // The id is another account's.
    create(&*store, 2, "robot", &[]).await;
    assert_eq!(register(&*store, id(2), new_key(2)).await, refused);
    assert_eq!(keys(&*store, "robot").await, []);
    // The key is another identifier's.
    register(&*store, id(3), new_key(3)).await.expect("a registration");
    assert_eq!(register(&*store, id(4), new_key(3)).await, refused);
    assert_eq!(store.account(&name(&id(4).to_string())).await, Ok(None), "nothing is left behind");
    // Revoked, disabled, in a group.
    let (called, key) = (name(&id(3).to_string()), new_key(3).id);
    store.revoke_api_key(&act(6), &called, key).await.expect("a revocation");
    assert_eq!(register(&*store, id(3), new_key(3)).await, refused);
    register(&*store, id(3), new_key(5)).await.expect("another key of a good account");
    let changes = [
        AccountChange::SetDisabled(true),
        AccountChange::SetDisabled(false),
        AccountChange::SetGroups(vec![group("ops")]),
    ];
    for (change, allowed) in changes.into_iter().zip([false, true, false]) {
        store.change_account(&act(7), &called, change).await.expect("a change");
        assert_eq!(register(&*store, id(3), new_key(5)).await.is_ok(), allowed);
    }
}

async fn registrations_at_the_same_time_make_one_key(store: Arc<dyn RegistryStore>) {
    let mut registrations = JoinSet::new();
    for number in 0..32_u128 {
        let store = Arc::clone(&store);
        let new = NewApiKey { id: ApiKeyId(Uuid::from_u128(number)), ..new_key(1) };
        registrations.spawn(async move { register(&*store, id(7), new).await });
    }
    let made = registrations.join_all().await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    assert_eq!(keys(&*store, &id(7).to_string()).await.len(), 1);
}

async fn revoking_tokens_is_dated_and_does_not_go_back(store: Arc<dyn RegistryStore>) {
    create(&*store, 1, "robot", &[]).await;
    let revoke = async |seconds| {
        let change = AccountChange::RevokeTokens;
        let changed = store.change_account(&act(seconds), &name("robot"), change).await;
        changed.expect("an answer").expect("the account").tokens_revoked_at
    };
    assert_eq!(revoke(9).await, Some(UnixTime::from_secs(9)));
    assert_eq!(revoke(8).await, Some(UnixTime::from_secs(9)));
    assert_eq!(revoke(10).await, Some(UnixTime::from_secs(10)));
}

async fn revoked_tokens_are_remembered_as_long_as_need_be(store: Arc<dyn RegistryStore>) {
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    for (token, until) in [(first, 10), (second, 20), (second, 15)] {
        store.revoke_token(&act(2), token, UnixTime::from_secs(until)).await.expect("an answer");
    }
    assert_eq!(store.is_token_revoked(first).await, Ok(true));
    assert_eq!(store.is_token_revoked(Uuid::from_u128(3)).await, Ok(false));
    store.forget_revoked_tokens(UnixTime::from_secs(20)).await.expect("an answer");
    assert_eq!(store.is_token_revoked(first).await, Ok(false));
    let left = RevokedToken { token_id: second, remember_until: UnixTime::from_secs(20) };
    assert_eq!(store.revoked_tokens().await, Ok(vec![left]));
}

async fn the_latest_use_of_an_api_key_is_remembered(store: Arc<dyn RegistryStore>) {
    create(&*store, 1, "robot", &[]).await;
    store.add_api_key(&act(2), &name("robot"), new_key(1)).await.expect("a key");
    for (seconds, last) in [(10, 1), (5, 2)] {
        let used = CredentialUse {
            account: id(1),
            credential: UsedCredential::ApiKey(new_key(1).id),
            at: UnixTime::from_secs(seconds),
            from: Some(address(last)),
        };
        store.record_last_use(&[used]).await.expect("an answer");
        let key = &keys(&*store, "robot").await[0];
        let expected = (Some(UnixTime::from_secs(10)), Some(address(1)));
        assert_eq!((key.last_used_at, key.last_used_from), expected);
        let account = store.account(&name("robot")).await.expect("an answer").expect("it");
        assert_eq!((account.last_used_at, account.last_used_from), expected);
    }
}

async fn what_is_done_to_api_keys_is_in_the_trail(store: Arc<dyn RegistryStore>) {
    create(&*store, 1, "robot", &[]).await;
    let (robot, key) = (name("robot"), new_key(1));
    store.add_api_key(&act(2), &robot, key.clone()).await.expect("a key");
    store.expire_api_key(&act(3), &robot, key.id, None).await.expect("an answer");
    store.revoke_api_key(&act(4), &robot, key.id).await.expect("an answer");
    register(&*store, id(7), new_key(2)).await.expect("a registration");
    store.revoke_token(&act(6), Uuid::from_u128(1), UnixTime::from_secs(9)).await.expect("it");
    store.change_account(&act(7), &robot, AccountChange::RevokeTokens).await.expect("it");
    let trail = trail(&*store).await;
    let actions: Vec<_> = trail.iter().map(|record| record.action.as_str()).collect();
    let expected = [
        "account.create",
        "api-key.add",
        "api-key.expire",
        "api-key.revoke",
        "account.register",
        "api-key.register",
        "token.revoke",
        "account.revoke-tokens",
    ];
    assert_eq!(actions, expected);
    assert_eq!(trail[1].target, format!("API key {} of account robot", key.id));
    let text = format!("{trail:?}").to_lowercase();
    assert!(!text.contains("0101010101"), "a hash is nobody's business");
}
