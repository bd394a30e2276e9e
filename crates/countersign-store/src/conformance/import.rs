//! Imports: what is new comes in, what is here stays as it is, a dry run leaves nothing.

use std::sync::Arc;

use countersign_core::ports::{
    AccountChange, ApiKeyRecord, NewAccount, NewApiKey, RefreshTokenRecord, RefreshTokenStore,
};
use countersign_core::{AccountId, ApiKeyId, PublicKey, SecretHash, UnixTime};
use serde_json::json;
use uuid::Uuid;

use super::{act, create, fresh_key, group, id, name, new_key, trail};
use crate::import::{
    ApiKeyImport, ImportMode, ImportOutcome, ImportStore, ImportedAccount, ImportedApiKey, LeftOut,
};
use crate::registry::RegistryStore;
use ImportOutcome::{AlreadyThere, Imported};

/// What an import goes into: three views of one store.
pub struct ImportTarget {
    /// Takes the import.
    pub import: Arc<dyn ImportStore>,
    /// Its accounts.
    pub registry: Arc<dyn RegistryStore>,
    /// Its refresh tokens.
    pub tokens: Arc<dyn RefreshTokenStore>,
}

/// Runs the cases of this file.
pub(super) async fn run(fresh: &impl AsyncFn() -> ImportTarget) {
    an_api_key_comes_with_its_account(fresh().await).await;
    importing_api_keys_again_changes_nothing(fresh().await).await;
    an_api_key_of_an_operators_account_is_left_out(fresh().await).await;
    a_hash_that_is_known_is_never_given_to_another(fresh().await).await;
    a_dry_run_of_api_keys_leaves_nothing(fresh().await).await;
    refresh_tokens_are_imported_once(fresh().await).await;
    an_account_comes_with_its_credentials(fresh().await).await;
    importing_an_account_again_changes_nothing(fresh().await).await;
    keys_are_not_added_where_they_would_give_more(fresh().await).await;
    a_dry_run_of_an_account_leaves_nothing(fresh().await).await;
}

fn identifier(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

fn api_key(account: u128, number: u8) -> ImportedApiKey {
    ImportedApiKey {
        identifier: identifier(account),
        key: NewApiKey {
            id: ApiKeyId(Uuid::from_u128(number.into())),
            hash: SecretHash::from_bytes([number; 32]),
            comment: format!("key {number}"),
            expires_at: Some(UnixTime::from_micros(90_000_001)),
        },
        created_at: UnixTime::from_micros(3_000_001),
    }
}

/// The same under a fresh id, as each import draws one.
fn again(key: &ImportedApiKey) -> ImportedApiKey {
    let mut again = key.clone();
    again.key.id = ApiKeyId(Uuid::from_u128(key.key.id.0.as_u128() + 1000));
    again.key.expires_at = Some(UnixTime::from_secs(1_000_000));
    again
}

fn token(number: u8, key: u8) -> RefreshTokenRecord {
    RefreshTokenRecord {
        hash: SecretHash::from_bytes([number; 32]),
        api_key: ApiKeyId(Uuid::from_u128(key.into())),
        account: identifier(7),
        created_at: UnixTime::from_secs(2),
        expires_at: UnixTime::from_secs(20),
    }
}

fn account(called: &str, disabled: bool, keys: &[&PublicKey], urls: &[&str]) -> ImportedAccount {
    ImportedAccount {
        account: NewAccount { id: id(9), name: name(called), groups: Vec::new() },
        disabled,
        keys: keys.iter().map(|key| new_key(key)).collect(),
        endpoints: urls.iter().map(|&url| url.to_owned()).collect(),
    }
}

impl ImportTarget {
    async fn import_keys(&self, keys: &[ImportedApiKey]) -> Vec<ApiKeyImport> {
        let imported = self.import.import_api_keys(&act(5), keys, ImportMode::Write).await;
        imported.expect("an import")
    }

    async fn keys_of(&self, account: u128) -> Option<Vec<ApiKeyRecord>> {
        let name = name(&identifier(account).to_string());
        self.registry.api_keys(&name).await.expect("an answer")
    }

    async fn actions(&self) -> Vec<String> {
        trail(&*self.registry).await.into_iter().map(|record| record.action).collect()
    }
}

fn outcomes(imports: &[ApiKeyImport]) -> Vec<ImportOutcome> {
    imports.iter().map(|import| import.outcome).collect()
}

async fn an_api_key_comes_with_its_account(target: ImportTarget) {
    let mut endless = api_key(7, 2);
    endless.key.expires_at = None;
    let imported = target.import_keys(&[api_key(7, 1), endless, api_key(8, 3)]).await;
    assert_eq!(outcomes(&imported), [Imported; 3]);
    let keys = target.keys_of(7).await.expect("the account");
    let expected = ApiKeyRecord {
        id: ApiKeyId(Uuid::from_u128(1)),
        account: identifier(7),
        hash: SecretHash::from_bytes([1; 32]),
        comment: "key 1".to_owned(),
        created_at: UnixTime::from_micros(3_000_001),
        expires_at: Some(UnixTime::from_micros(90_000_001)),
        revoked_at: None,
        last_used_at: None,
        last_used_from: None,
    };
    assert_eq!(keys[0], expected);
    assert_eq!(imported[0].key, Some(expected));
    assert_eq!((keys[1].hash, keys[1].expires_at), (SecretHash::from_bytes([2; 32]), None));

    // As if it had been registered: it can be renewed by registering.
    let renewal =
        NewApiKey { expires_at: Some(UnixTime::from_secs(99)), ..again(&api_key(7, 1)).key };
    let renewed = target.registry.register_api_key(&act(6), identifier(7), renewal).await;
    assert_eq!(renewed.expect("a renewal").expires_at, Some(UnixTime::from_secs(99)));
    let account = target.registry.account(&name(&identifier(7).to_string())).await;
    let account = account.expect("an answer").expect("the account");
    assert_eq!((account.id, account.registered), (identifier(7), true));
    let mut actions = target.actions().await;
    // Which comes first within an import is left to the store.
    actions.sort();
    let (account, key) = ("account.import", "api-key.import");
    assert_eq!(actions, [account, account, key, key, key, "api-key.register"]);
}

async fn importing_api_keys_again_changes_nothing(target: ImportTarget) {
    let keys = [api_key(7, 1), api_key(7, 2)];
    target.import_keys(&keys).await;
    let robot = name(&identifier(7).to_string());
    let (kept, revoked) = (keys[0].key.id, keys[1].key.id);
    target.registry.expire_api_key(&act(6), &robot, kept, None).await.expect("a change");
    target.registry.revoke_api_key(&act(6), &robot, revoked).await.expect("a change");
    let (before, trail) = (target.keys_of(7).await, target.actions().await);

    let imported = target.import_keys(&[again(&keys[0]), again(&keys[1])]).await;
    assert_eq!(outcomes(&imported), [AlreadyThere, ImportOutcome::LeftOut(LeftOut::Revoked)]);
    assert_eq!(imported[0].key.as_ref().map(|key| key.id), Some(kept));
    assert_eq!(imported[1].key, None);
    assert_eq!(target.keys_of(7).await, before);
    assert_eq!(target.actions().await, trail);
}

async fn an_api_key_of_an_operators_account_is_left_out(target: ImportTarget) {
    let called = identifier(7).to_string();
    create(&*target.registry, 7, &called, &[]).await;
    // Made by a registration, but an operator has put it into a group since.
    target.import_keys(&[api_key(8, 1)]).await;
    let grouped = name(&identifier(8).to_string());
    let change = AccountChange::SetGroups(vec![group("billing")]);
    target.registry.change_account(&act(6), &grouped, change).await.expect("a change");

    let keys = [api_key(7, 2), api_key(8, 3), api_key(9, 4), again(&api_key(8, 1))];
    let operators = ImportOutcome::LeftOut(LeftOut::OperatorsAccount);
    let imported = target.import_keys(&keys).await;
    assert_eq!(outcomes(&imported), [operators, operators, Imported, AlreadyThere]);
    assert_eq!(target.keys_of(7).await, Some(Vec::new()));
    assert_eq!(target.keys_of(8).await.map(|keys| keys.len()), Some(1));

    // A disabled account is refused with one key as with two: nothing is lost.
    let disabled = name(&identifier(9).to_string());
    let change = AccountChange::SetDisabled(true);
    target.registry.change_account(&act(6), &disabled, change).await.expect("a change");
    assert_eq!(outcomes(&target.import_keys(&[api_key(9, 5)]).await), [Imported]);
    let here = target.registry.account(&disabled).await.expect("an answer").expect("it");
    assert!(here.disabled);
}

async fn a_hash_that_is_known_is_never_given_to_another(target: ImportTarget) {
    let first = api_key(7, 1);
    let same = |account| ImportedApiKey { identifier: identifier(account), ..again(&first) };
    let imported = target.import_keys(&[first.clone(), same(8), same(7)]).await;
    let others = ImportOutcome::LeftOut(LeftOut::OthersKey);
    assert_eq!(outcomes(&imported), [Imported, others, AlreadyThere]);
    let imported = target.import_keys(&[same(8)]).await;
    assert_eq!(outcomes(&imported), [others]);
    assert_eq!(target.keys_of(8).await, None);
}

async fn a_dry_run_of_api_keys_leaves_nothing(target: ImportTarget) {
    target.import_keys(&[api_key(7, 1)]).await;
    let trail = target.actions().await;
    let keys = [again(&api_key(7, 1)), api_key(7, 2), api_key(8, 3)];
    for _ in 0..2 {
        let imported = target.import.import_api_keys(&act(5), &keys, ImportMode::DryRun).await;
        let imported = imported.expect("an import");
        assert_eq!(outcomes(&imported), [AlreadyThere, Imported, Imported]);
    }
    assert_eq!(target.keys_of(7).await.map(|keys| keys.len()), Some(1));
    assert_eq!(target.keys_of(8).await, None);
    assert_eq!(target.actions().await, trail);
}

async fn refresh_tokens_are_imported_once(target: ImportTarget) {
    target.import_keys(&[api_key(7, 1)]).await;
    let import = async |tokens: &[RefreshTokenRecord], mode| {
        target.import.import_refresh_tokens(&act(5), tokens, mode).await.expect("an import")
    };
    let tokens = [token(1, 1), token(2, 1), token(1, 1)];
    let expected = [Imported, Imported, AlreadyThere];
    assert_eq!(import(&tokens, ImportMode::DryRun).await, expected);
    assert_eq!(target.tokens.refresh_token(&tokens[0].hash).await, Ok(None));
    assert_eq!(target.actions().await.len(), 2, "a dry run is not in the trail");

    assert_eq!(import(&tokens, ImportMode::Write).await, expected);
    for token in tokens {
        assert_eq!(target.tokens.refresh_token(&token.hash).await, Ok(Some(token)));
    }
    let records = trail(&*target.registry).await;
    let last = records.last().expect("a record");
    assert_eq!(
        (last.action.as_str(), &last.after),
        ("refresh-token.import", &json!({"imported": 2}))
    );

    let later = RefreshTokenRecord { expires_at: UnixTime::from_secs(99), ..token(1, 1) };
    let stray = token(3, 2);
    let expected = [AlreadyThere, ImportOutcome::LeftOut(LeftOut::NoSuchKey)];
    assert_eq!(import(&[later, stray], ImportMode::Write).await, expected);
    assert_eq!(target.tokens.refresh_token(&stray.hash).await, Ok(None));
    assert_eq!(trail(&*target.registry).await.len(), records.len());
}

async fn an_account_comes_with_its_credentials(target: ImportTarget) {
    let (first, second) = (fresh_key(), fresh_key());
    let url = "https://keys.example/jwks.json";
    for (number, called, disabled) in [(1, "robot", false), (2, "retired", true)] {
        let mut imported = account(called, disabled, &[&first, &second, &first], &[url]);
        imported.account.id = id(number);
        let done = target.import.import_account(&act(5), &imported, ImportMode::Write).await;
        let done = done.expect("an import");
        assert_eq!(done.account, Imported);
        assert_eq!(done.keys, [Imported, Imported, AlreadyThere]);
        assert_eq!(done.endpoints, [Imported]);
        let here = target.registry.load(&name(called)).await.expect("an answer").expect("it");
        assert_eq!((here.account.disabled, here.account.registered), (disabled, false));
        assert_eq!(here.account.id, id(number));
        assert_eq!(here.keys.iter().map(|key| &key.key).collect::<Vec<_>>(), [&first, &second]);
        assert_eq!(here.keys[0].comment, "laptop");
        assert_eq!(here.endpoints, [url]);
    }
    let expected = ["account.import", "key.import", "key.import", "jwks-endpoint.import"];
    assert_eq!(target.actions().await, [expected, expected].concat());
}

async fn importing_an_account_again_changes_nothing(target: ImportTarget) {
    let (kept, revoked) = (fresh_key(), fresh_key());
    let url = "https://keys.example/jwks.json";
    let imported = account("robot", false, &[&kept, &revoked], &[url]);
    let import = async |imported: &ImportedAccount| {
        let done = target.import.import_account(&act(5), imported, ImportMode::Write).await;
        done.expect("an import")
    };
    import(&imported).await;
    let robot = name("robot");
    let fingerprint = revoked.fingerprints().openssh();
    let done = target.registry.revoke_public_key(&act(6), &robot, &fingerprint).await;
    done.expect("a change");
    let disable = AccountChange::SetDisabled(true);
    target.registry.change_account(&act(6), &robot, disable).await.expect("a change");
    let actions = target.actions().await;

    let mut again = imported.clone();
    again.account.id = id(10);
    let done = import(&again).await;
    assert_eq!(done.account, AlreadyThere);
    assert_eq!(done.keys, [AlreadyThere, ImportOutcome::LeftOut(LeftOut::Revoked)]);
    assert_eq!(done.endpoints, [AlreadyThere]);
    let here = target.registry.load(&robot).await.expect("an answer").expect("it");
    assert!(here.account.disabled && here.keys[1].revoked_at.is_some());
    assert_eq!(target.actions().await, actions);

    let added = fresh_key();
    let done = import(&account("robot", false, &[&added], &[])).await;
    assert_eq!(done.keys, [Imported], "what was added there meanwhile");
}

async fn keys_are_not_added_where_they_would_give_more(target: ImportTarget) {
    let (known, new) = (fresh_key(), fresh_key());
    let url = "https://keys.example/jwks.json";
    create(&*target.registry, 1, "grouped", &["billing"]).await;
    create(&*target.registry, 2, "enabled", &[]).await;
    create(&*target.registry, 3, "other", &[]).await;
    for called in ["grouped", "enabled"] {
        let added = target.registry.add_public_key(&act(2), &name(called), new_key(&known)).await;
        added.expect("a key");
    }
    let import = async |imported: &ImportedAccount| {
        let done = target.import.import_account(&act(5), imported, ImportMode::Write).await;
        done.expect("an import")
    };
    for (called, disabled, why) in
        [("grouped", false, LeftOut::HasGroups), ("enabled", true, LeftOut::EnabledHere)]
    {
        let why = ImportOutcome::LeftOut(why);
        let done = import(&account(called, disabled, &[&known, &new], &[url])).await;
        assert_eq!(done.account, AlreadyThere, "{called}");
        assert_eq!((done.keys, done.endpoints), (vec![AlreadyThere, why], vec![why]), "{called}");
        let here = target.registry.load(&name(called)).await.expect("an answer").expect("it");
        assert_eq!((here.keys.len(), here.endpoints.len()), (1, 0), "{called}");
    }
    let mut taken = account("fresh", false, &[&new], &[url]);
    taken.account.id = id(3);
    let why = ImportOutcome::LeftOut(LeftOut::OthersId);
    let done = import(&taken).await;
    assert_eq!((done.account, done.keys, done.endpoints), (why, vec![why], vec![why]));
    assert_eq!(target.registry.account(&name("fresh")).await, Ok(None));
}

async fn a_dry_run_of_an_account_leaves_nothing(target: ImportTarget) {
    let imported = account("robot", true, &[&fresh_key()], &["https://keys.example/"]);
    for _ in 0..2 {
        let done = target.import.import_account(&act(5), &imported, ImportMode::DryRun).await;
        let done = done.expect("an import");
        assert_eq!(done.account, Imported);
        assert_eq!((done.keys, done.endpoints), (vec![Imported], vec![Imported]));
    }
    assert_eq!(target.registry.account(&name("robot")).await, Ok(None));
    assert_eq!(target.actions().await, Vec::<String>::new());
}
