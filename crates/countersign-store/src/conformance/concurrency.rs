//! Many at once: each decision is made by one act alone.

use std::sync::Arc;

use countersign_core::ports::{AccountChange, AdminStore, StoreError};
use serde_json::Value;
use tokio::task::JoinSet;

use super::{act, cases, create, create_admin, fresh_key, name, new_account, new_key, trail};

cases!(AdminStore:
    one_of_many_makes_the_account,
    one_of_many_registers_the_key,
    of_two_admins_one_stays,
);

const TASKS: u128 = 64;

async fn one_of_many_makes_the_account(store: Arc<dyn AdminStore>) {
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            store.create_account(&act(1), new_account(number, "robot", &["a"])).await
        });
    }
    let (made, refused): (Vec<_>, Vec<_>) =
        tasks.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    assert!(refused.iter().all(|answer| *answer == Err(StoreError::AccountExists)));
    let found = store.account(&name("robot")).await.expect("an answer");
    assert_eq!(found.ok_or(StoreError::NoSuchAccount), made[0]);
    assert_eq!(trail(&*store).await.len(), 1);
}

async fn one_of_many_registers_the_key(store: Arc<dyn AdminStore>) {
    create(&*store, 1, "robot", &[]).await;
    let key = fresh_key();
    let mut tasks = JoinSet::new();
    for seconds in 0..64 {
        let (store, key) = (Arc::clone(&store), key.clone());
        tasks.spawn(async move {
            store.add_public_key(&act(seconds), &name("robot"), new_key(&key)).await
        });
    }
    let created: Vec<_> = tasks
        .join_all()
        .await
        .into_iter()
        .map(|answer| answer.expect("the key").created_at)
        .collect();
    assert!(created.iter().all(|at| *at == created[0]), "all were told of one record");
    let records = trail(&*store).await;
    let first = records.iter().filter(|r| r.action == "key.add" && r.before == Value::Null);
    assert_eq!(first.count(), 1);
}

async fn of_two_admins_one_stays(store: Arc<dyn AdminStore>) {
    for round in 0..16 {
        let admins = [format!("a-{round}"), format!("b-{round}")];
        for (number, admin) in (2 * round..).zip(&admins) {
            create_admin(&*store, number, admin).await;
        }
        if round > 0 {
            // The survivor of the round before must not help.
            for former in [format!("a-{}", round - 1), format!("b-{}", round - 1)] {
                store.delete_account(&act(3), &name(&former)).await.expect("not the last");
            }
        }
        let mut tasks = JoinSet::new();
        for admin in admins {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                let change = AccountChange::SetDisabled(true);
                store.change_account(&act(4), &name(&admin), change).await.map(|_| ())
            });
        }
        let answers = tasks.join_all().await;
        assert!(answers.contains(&Ok(())), "{answers:?}");
        assert!(answers.contains(&Err(StoreError::LastAdmin)), "{answers:?}");
    }
}
