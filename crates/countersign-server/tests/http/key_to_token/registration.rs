//! Who may register which key.

use std::sync::Arc;

use countersign_core::ports::{AccountChange, AdminStore as _, ApiKeyStore as _, NewAccount};
use countersign_core::{AccountId, GroupName};
use countersign_server::DEFAULT_API_KEY_LIFETIME;
use tokio::task::JoinSet;

use crate::support::tokens::{IDENTIFIER, OTHER, On, TokenWorld, on_each_database};

on_each_database!(
    registering_again_renews_the_key,
    a_key_belongs_to_one_identifier,
    what_an_operator_made_or_ended_is_not_touched,
    thirty_two_at_the_same_time_all_succeed,
);

async fn registering_again_renews_the_key(on: On) {
    let world = TokenWorld::new(on).await;
    assert_eq!(world.register("a key", IDENTIFIER).await.status, 201);
    let almost = i64::try_from(DEFAULT_API_KEY_LIFETIME.as_secs()).unwrap() - 1;
    world.clock.advance(almost);
    assert_eq!(world.authenticate("a key", IDENTIFIER).await.status, 200);
    world.clock.advance(1);
    assert_eq!(world.authenticate("a key", IDENTIFIER).await.status, 401, "it has expired");
    assert_eq!(world.register("a key", IDENTIFIER).await.status, 201);
    world.clock.advance(almost);
    assert_eq!(world.authenticate("a key", IDENTIFIER).await.status, 200);
}

async fn a_key_belongs_to_one_identifier(on: On) {
    let world = TokenWorld::new(on).await;
    assert_eq!(world.register("a key", IDENTIFIER).await.status, 201);
    let taken = world.register("a key", OTHER).await;
    assert_eq!((taken.status.as_u16(), taken.body.as_str()), (409, "{}"));
    assert_eq!(world.register("another key", OTHER).await.status, 201);
    assert_eq!(world.register("a second key", IDENTIFIER).await.status, 201);
    for key in ["a key", "a second key"] {
        assert_eq!(world.authenticate(key, IDENTIFIER).await.status, 200);
        assert_eq!(world.authenticate(key, OTHER).await.status, 401, "not its identifier");
    }
}

async fn what_an_operator_made_or_ended_is_not_touched(on: On) {
    let world = TokenWorld::new(on).await;
    let id = AccountId(OTHER.parse().unwrap());
    let new = NewAccount { id, name: TokenWorld::name(OTHER), groups: Vec::new() };
    world.directory.create_account(&world.act(), new).await.unwrap();
    assert_eq!(world.register("a key", OTHER).await.status, 409, "made by an operator");

    assert_eq!(world.register("a key", IDENTIFIER).await.status, 201);
    let name = TokenWorld::name(IDENTIFIER);
    let change = async |change| {
        world.directory.change_account(&world.act(), &name, change).await.unwrap();
        world.register("a key", IDENTIFIER).await.status.as_u16()
    };
    assert_eq!(change(AccountChange::SetDisabled(true)).await, 409);
    assert_eq!(world.authenticate("a key", IDENTIFIER).await.status, 401, "disabled");
    assert_eq!(change(AccountChange::SetDisabled(false)).await, 201);
    assert_eq!(change(AccountChange::SetGroups(vec![GroupName::new("a").unwrap()])).await, 409);
    assert_eq!(world.authenticate("a key", IDENTIFIER).await.status, 200);
    assert_eq!(change(AccountChange::SetGroups(Vec::new())).await, 201);
    let key = &world.directory.api_keys(&name).await.unwrap().unwrap()[0];
    world.directory.revoke_api_key(&world.act(), &name, key.id).await.unwrap();
    assert_eq!(world.register("a key", IDENTIFIER).await.status, 409, "revoked");
    assert_eq!(world.authenticate("a key", IDENTIFIER).await.status, 401);
}

async fn thirty_two_at_the_same_time_all_succeed(on: On) {
    let world = Arc::new(TokenWorld::new(on).await);
    let mut registrations = JoinSet::new();
    for _ in 0..32 {
        let world = Arc::clone(&world);
        registrations.spawn(async move { world.register("a key", IDENTIFIER).await.status });
    }
    let statuses = registrations.join_all().await;
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    let keys = world.directory.api_keys(&TokenWorld::name(IDENTIFIER)).await.unwrap().unwrap();
    assert_eq!(keys.len(), 1);
}
