//! Refresh tokens: kept with their key, gone with it.

use std::sync::Arc;

use countersign_core::ports::{NewApiKey, RefreshTokenRecord, RefreshTokenStore};
use countersign_core::{ApiKeyId, SecretHash, UnixTime};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{act, create, id, name};
use crate::registry::RegistryStore;

/// A registry, and the refresh tokens beside it.
pub(super) type Stores = (Arc<dyn RegistryStore>, Arc<dyn RefreshTokenStore>);

/// Runs the cases of this file.
pub(super) async fn run(fresh: &impl AsyncFn() -> Stores) {
    a_token_is_kept_as_it_was_given(fresh().await).await;
    a_token_of_an_unknown_key_is_not_kept(fresh().await).await;
    tokens_go_with_their_account(fresh().await).await;
    expired_tokens_are_deleted(fresh().await).await;
    many_tokens_are_kept_at_the_same_time(fresh().await).await;
}

fn token(number: u16, expires_at: i64) -> RefreshTokenRecord {
    let mut hash = [7; 32];
    hash[..2].copy_from_slice(&number.to_be_bytes());
    RefreshTokenRecord {
        hash: SecretHash::from_bytes(hash),
        api_key: ApiKeyId(Uuid::from_u128(1)),
        account: id(1),
        created_at: UnixTime::from_secs(2),
        expires_at: UnixTime::from_secs(expires_at),
    }
}

async fn robot_with_key(registry: &dyn RegistryStore) {
    create(registry, 1, "robot", &[]).await;
    let new = NewApiKey {
        id: token(0, 0).api_key,
        hash: SecretHash::from_bytes([1; 32]),
        comment: String::new(),
        expires_at: None,
    };
    registry.add_api_key(&act(1), &name("robot"), new).await.expect("a key");
}

async fn a_token_is_kept_as_it_was_given((registry, tokens): Stores) {
    robot_with_key(&*registry).await;
    let (first, second) = (token(1, 10), token(2, 20));
    for token in [first, second] {
        assert_eq!(tokens.add_refresh_token(token).await, Ok(true));
    }
    for _ in 0..2 {
        assert_eq!(tokens.refresh_token(&first.hash).await, Ok(Some(first)));
        assert_eq!(tokens.refresh_token(&second.hash).await, Ok(Some(second)));
    }
    assert_eq!(tokens.refresh_token(&token(3, 0).hash).await, Ok(None));
}

async fn a_token_of_an_unknown_key_is_not_kept((registry, tokens): Stores) {
    robot_with_key(&*registry).await;
    let other = RefreshTokenRecord { api_key: ApiKeyId(Uuid::from_u128(2)), ..token(1, 10) };
    assert_eq!(tokens.add_refresh_token(other).await, Ok(false));
    assert_eq!(tokens.refresh_token(&other.hash).await, Ok(None));
}

/// Whoever remembers a token after that finds no account for it.
async fn tokens_go_with_their_account((registry, tokens): Stores) {
    robot_with_key(&*registry).await;
    tokens.add_refresh_token(token(1, 10)).await.expect("an answer");
    registry.delete_account(&act(3), &name("robot")).await.expect("a deletion");
    assert_eq!(tokens.add_refresh_token(token(2, 10)).await, Ok(false));
}

async fn expired_tokens_are_deleted((registry, tokens): Stores) {
    robot_with_key(&*registry).await;
    for (number, expiry) in [(1, 10), (2, 11), (3, 12)] {
        tokens.add_refresh_token(token(number, expiry)).await.expect("an answer");
    }
    let now = UnixTime::from_secs(11);
    assert_eq!(tokens.delete_expired_refresh_tokens(now).await, Ok(false));
    for (number, expiry) in [(2, 11), (3, 12)] {
        let token = token(number, expiry);
        assert_eq!(tokens.refresh_token(&token.hash).await, Ok(Some(token)));
    }
}

async fn many_tokens_are_kept_at_the_same_time((registry, tokens): Stores) {
    robot_with_key(&*registry).await;
    let mut adding = JoinSet::new();
    for number in 0..500 {
        let tokens = Arc::clone(&tokens);
        adding.spawn(async move {
            let token = token(number, 10);
            assert_eq!(tokens.add_refresh_token(token).await, Ok(true));
            assert_eq!(tokens.refresh_token(&token.hash).await, Ok(Some(token)));
        });
    }
    adding.join_all().await;
}
