//! A master and its replica, watched by a sentinel.

use std::fs;

use countersign_core::ports::{GuardError, ReplayGuard as _};
use countersign_testbed::Redis;
use tempfile::TempDir;

use super::{at, settled, spent};
use crate::outages::{is_unavailable, until};
use crate::support::REACH;

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_callers_wait_and_go_on_with_the_new_master() {
    let directories: Vec<TempDir> = (0..3).map(|_| TempDir::new().unwrap()).collect();
    let mut master = Redis::start(directories[0].path(), &[]).unwrap();
    let master_address = master.address().replace(':', " ");
    let replica = Redis::start(directories[1].path(), &["--replicaof", &master_address]).unwrap();
    until("the replica follows", async || {
        replica.command("INFO replication").unwrap().contains("master_link_status:up")
    })
    .await;
    let file = directories[2].path().join("sentinel.conf");
    fs::write(
        &file,
        format!(
            "sentinel monitor main {master_address} 1\nsentinel down-after-milliseconds main 500\n"
        ),
    )
    .unwrap();
    let first = [file.to_str().unwrap(), "--sentinel"];
    let sentinel = Redis::start_as(directories[2].path(), &first, &[]).unwrap();
    until("the sentinel knows the replica", async || {
        sentinel.command("SENTINEL replicas main").unwrap().contains("flags")
    })
    .await;

    let url = format!("redis+sentinel://{}/main", sentinel.address());
    let (guard, clock) = settled(at(&url)).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    master.kill().unwrap();
    until("noticed", async || guard.check().await.is_err()).await;
    until("connected", async || guard.check().await.is_ok()).await;
    assert!(is_unavailable(&spent(&guard, &clock, 2).await));
    clock.advance(REACH + std::time::Duration::from_micros(1));
    assert_eq!(spent(&guard, &clock, 3).await, Ok(()));
    assert_eq!(spent(&guard, &clock, 3).await, Err(GuardError::Replayed));
    assert!(replica.command("INFO replication").unwrap().contains("role:master"));
}
