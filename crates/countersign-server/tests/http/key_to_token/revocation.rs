//! What is revoked is refused by the very next question.

use countersign_core::ports::{AccountChange, AdminStore as _, ApiKeyStore as _};
use serde_json::Value;

use crate::support::tokens::{IDENTIFIER, OTHER, On, TokenWorld, on_each_database};

on_each_database!(
    a_token_is_revoked_by_its_id,
    all_tokens_of_an_account_are_revoked_at_once,
    a_revoked_key_takes_what_it_bought_with_it,
    a_disabled_account_has_no_tokens,
    a_deleted_account_has_nothing,
);

async fn validates(world: &TokenWorld, jwt: &str) -> bool {
    let (body, header) = (world.validate(jwt).await, world.validate_request(jwt).await);
    assert_eq!(body.status, header.status);
    body.status == 200
}

async fn a_token_is_revoked_by_its_id(on: On) {
    let world = TokenWorld::new(on).await;
    let (jwt, refresh_token) = world.session("a key", IDENTIFIER).await;
    assert!(validates(&world, &jwt).await);
    let said = world.validate_request(&jwt).await;
    let id = said.header("x-auth-credential").parse().unwrap();
    world.tokens.revoke(&world.act(), id).await.unwrap();
    assert!(!validates(&world, &jwt).await);
    let answer = world.refresh(&refresh_token, IDENTIFIER).await.json::<Value>();
    assert!(validates(&world, answer["jwt"].as_str().unwrap()).await, "only that one");
}

async fn all_tokens_of_an_account_are_revoked_at_once(on: On) {
    let world = TokenWorld::new(on).await;
    let (first, refresh_token) = world.session("a key", IDENTIFIER).await;
    let (others, _) = world.session("another key", OTHER).await;
    let name = TokenWorld::name(IDENTIFIER);
    assert!(validates(&world, &first).await);
    world.directory.change_account(&world.act(), &name, AccountChange::RevokeTokens).await.unwrap();
    assert!(!validates(&world, &first).await);
    assert!(validates(&world, &others).await);
    // Within that second a new one could not be told from the old ones.
    for refused in [
        world.refresh(&refresh_token, IDENTIFIER).await,
        world.authenticate("a key", IDENTIFIER).await,
    ] {
        assert_eq!(refused.status, 503);
        assert_eq!(refused.header("retry-after"), "1");
    }
    world.clock.advance(1);
    let answer = world.refresh(&refresh_token, IDENTIFIER).await.json::<Value>();
    assert!(validates(&world, answer["jwt"].as_str().unwrap()).await);
    assert!(!validates(&world, &first).await);
}

async fn a_revoked_key_takes_what_it_bought_with_it(on: On) {
    let world = TokenWorld::new(on).await;
    let (of_first, refresh_of_first) = world.session("first", IDENTIFIER).await;
    let (of_second, refresh_of_second) = world.session("second", IDENTIFIER).await;
    let refreshed = world.refresh(&refresh_of_first, IDENTIFIER).await.json::<Value>();
    let refreshed = refreshed["jwt"].as_str().unwrap();
    for jwt in [&*of_first, &*of_second, refreshed] {
        assert!(validates(&world, jwt).await);
    }
    let name = TokenWorld::name(IDENTIFIER);
    let first = world.directory.api_keys(&name).await.unwrap().unwrap()[0].id;
    world.directory.revoke_api_key(&world.act(), &name, first).await.unwrap();
    for jwt in [&*of_first, refreshed] {
        assert!(!validates(&world, jwt).await);
    }
    assert_eq!(world.refresh(&refresh_of_first, IDENTIFIER).await.status, 401);
    assert_eq!(world.authenticate("first", IDENTIFIER).await.status, 401);
    assert!(validates(&world, &of_second).await, "the other key of the same account");
    assert_eq!(world.refresh(&refresh_of_second, IDENTIFIER).await.status, 200);
}

async fn a_disabled_account_has_no_tokens(on: On) {
    let world = TokenWorld::new(on).await;
    let (jwt, refresh_token) = world.session("a key", IDENTIFIER).await;
    let name = TokenWorld::name(IDENTIFIER);
    for (disabled, status) in [(true, 401), (false, 200)] {
        let change = AccountChange::SetDisabled(disabled);
        world.directory.change_account(&world.act(), &name, change).await.unwrap();
        assert_eq!(validates(&world, &jwt).await, !disabled);
        assert_eq!(world.refresh(&refresh_token, IDENTIFIER).await.status, status);
        assert_eq!(world.authenticate("a key", IDENTIFIER).await.status, status);
    }
}

async fn a_deleted_account_has_nothing(on: On) {
    let world = TokenWorld::new(on).await;
    let (jwt, refresh_token) = world.session("a key", IDENTIFIER).await;
    let name = TokenWorld::name(IDENTIFIER);
    world.directory.delete_account(&world.act(), &name).await.unwrap();
    assert!(!validates(&world, &jwt).await);
    assert_eq!(world.refresh(&refresh_token, IDENTIFIER).await.status, 401);
    assert_eq!(world.authenticate("a key", IDENTIFIER).await.status, 401);
    let registered = world
        .post_internal("/is_key_registered", &serde_json::json!({ "key": "a key" }))
        .await
        .json::<Value>();
    assert_eq!(registered["result"], false);
    // Whoever registers it again starts anew: the old tokens stay what they are.
    let (fresh, _) = world.session("a key", IDENTIFIER).await;
    assert!(validates(&world, &fresh).await);
    assert_eq!(world.refresh(&refresh_token, IDENTIFIER).await.status, 401);
}
