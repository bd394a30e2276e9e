//! How long keys and tokens are good.

use countersign_core::RefreshToken;
use countersign_core::ports::RefreshTokenStore as _;
use countersign_server::{DEFAULT_API_KEY_LIFETIME, DEFAULT_REFRESH_TOKEN_LIFETIME};
use countersign_store::SqlRefreshTokens;
use serde_json::Value;

use crate::support::tokens::{IDENTIFIER, On, TokenWorld, on_each_database};

on_each_database!(
    an_access_token_is_good_to_the_second_that_it_says,
    a_refresh_token_buys_any_number_of_tokens_until_it_expires,
    a_refresh_token_outlives_its_key,
    what_has_expired_is_deleted,
);

const ACCESS: i64 = 15 * 60;

fn seconds(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap()
}

async fn an_access_token_is_good_to_the_second_that_it_says(on: On) {
    let world = TokenWorld::new(on).await;
    let (jwt, _) = world.session("a key", IDENTIFIER).await;
    world.clock.advance(ACCESS - 1);
    assert_eq!(world.validate(&jwt).await.status, 200);
    world.clock.advance(1);
    assert_eq!(world.validate(&jwt).await.status, 401);
    assert_eq!(world.validate_request(&jwt).await.status, 401);
}

async fn a_refresh_token_buys_any_number_of_tokens_until_it_expires(on: On) {
    let world = TokenWorld::new(on).await;
    let (_, refresh_token) = world.session("a key", IDENTIFIER).await;
    let mut bought = std::collections::HashSet::new();
    for _ in 0..3 {
        let answer = world.refresh(&refresh_token, IDENTIFIER).await;
        let jwt = answer.json::<Value>()["jwt"].as_str().unwrap().to_owned();
        assert_eq!(world.validate(&jwt).await.status, 200);
        assert!(bought.insert(jwt), "each is another one");
    }
    world.clock.advance(seconds(DEFAULT_REFRESH_TOKEN_LIFETIME) - 1);
    assert_eq!(world.refresh(&refresh_token, IDENTIFIER).await.status, 200);
    world.clock.advance(1);
    let refused = world.refresh(&refresh_token, IDENTIFIER).await;
    assert_eq!((refused.status.as_u16(), refused.body.as_str()), (401, "{}"));
    for unknown in ["", "x", &"0".repeat(128), &refresh_token.to_uppercase()] {
        let refused = world.refresh(unknown, IDENTIFIER).await;
        assert_eq!((refused.status.as_u16(), refused.body.as_str()), (401, "{}"));
    }
}

async fn a_refresh_token_outlives_its_key(on: On) {
    let world = TokenWorld::new(on).await;
    world.session("a key", IDENTIFIER).await;
    world.clock.advance(seconds(DEFAULT_API_KEY_LIFETIME) - 1);
    let answer = world.authenticate("a key", IDENTIFIER).await.json::<Value>();
    world.clock.advance(1);
    assert_eq!(world.authenticate("a key", IDENTIFIER).await.status, 401, "it has expired");
    let refresh_token = answer["refresh_token"].as_str().unwrap();
    assert_eq!(world.refresh(refresh_token, IDENTIFIER).await.status, 200);
}

async fn what_has_expired_is_deleted(on: On) {
    let world = TokenWorld::new(on).await;
    let (jwt, refresh_token) = world.session("a key", IDENTIFIER).await;
    world.tokens.maintain().await;
    assert_eq!(world.refresh(&refresh_token, IDENTIFIER).await.status, 200);
    assert_eq!(world.validate(&jwt).await.status, 200);
    world.clock.advance(seconds(DEFAULT_REFRESH_TOKEN_LIFETIME) + 1);
    world.tokens.maintain().await;
    let fresh = SqlRefreshTokens::new(world.store.database().clone());
    let token = RefreshToken::read(&refresh_token).unwrap();
    let hash = world.tokens.ring().hasher().refresh_token(&token);
    assert_eq!(fresh.refresh_token(&hash).await, Ok(None));
}
