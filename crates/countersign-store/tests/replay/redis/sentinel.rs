//! Masters that sentinels watch.

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::{GuardError, ReplayGuard as _};
use countersign_store::replay::{RedisError, RedisProbe, SharedLimits};
use countersign_testbed::Redis;
use tempfile::TempDir;

use super::{at, settled, spent, start};
use crate::outages::{REACH, is_unavailable, until};
use crate::support::{ManualClock, NOON};

/// Less than the time after which a replica takes over.
const LAG: [&str; 2] = ["--min-replicas-max-lag", "4"];
const DOWN_AFTER: u32 = 5000;

/// A sentinel that calls this master `main`.
fn watch(directory: &TempDir, master: &Redis) -> Redis {
    let address = master.address().replace(':', " ");
    let file = directory.path().join("sentinel.conf");
    let settings = format!(
        "sentinel monitor main {address} 1\nsentinel down-after-milliseconds main {DOWN_AFTER}\n"
    );
    fs::write(&file, settings).unwrap();
    Redis::start_as(directory.path(), &[file.to_str().unwrap(), "--sentinel"], &[]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_callers_wait_and_go_on_with_the_new_master() {
    let directories: Vec<TempDir> = (0..3).map(|_| TempDir::new().unwrap()).collect();
    let mut master = Redis::start(directories[0].path(), &LAG).unwrap();
    let master_address = master.address().replace(':', " ");
    let settings =
        [&LAG[..], &["--replicaof", &master_address, "--min-replicas-to-write", "1"]].concat();
    let replica = Redis::start(directories[1].path(), &settings).unwrap();
    until("the replica follows", async || {
        replica.command("INFO replication").unwrap().contains("master_link_status:up")
    })
    .await;
    let sentinel = watch(&directories[2], &master);
    until("the sentinel knows the replica", async || {
        sentinel.command("SENTINEL replicas main").unwrap().contains("flags")
    })
    .await;
    let url = format!("redis+sentinel://{}/main", sentinel.address());

    // Cut off alone, it would go on.
    let clock = Arc::new(ManualClock::at(NOON));
    let Err(RedisError::Unfit(refused)) = start(at(&url), &clock).await else { panic!("accepted") };
    assert!(refused.contains("min-replicas-to-write is 0, expected at least 1"), "{refused}");
    master.command("CONFIG SET min-replicas-to-write 1").unwrap();
    master.command("CONFIG SET min-replicas-max-lag 5").unwrap();
    let Err(RedisError::Unfit(refused)) = start(at(&url), &clock).await else { panic!("accepted") };
    assert!(refused.contains("min-replicas-max-lag is 5s"), "{refused}");
    master.command("CONFIG SET min-replicas-max-lag 4").unwrap();
    // It counts its replicas once a second.
    until("replicas are counted", async || master.command("SET any 1").unwrap().contains("OK"))
        .await;

    let (guard, clock) = settled(at(&url)).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    master.kill().unwrap();
    until("noticed", async || guard.check().await.is_err()).await;
    // The sentinel ends its clients' connections, too.
    until("taken over", async || {
        replica.command("INFO replication").is_ok_and(|info| info.contains("role:master"))
    })
    .await;
    // It takes nothing before it has a replica in its turn.
    assert!(is_unavailable(&spent(&guard, &clock, 2).await));
    master.start_again().unwrap();
    until("connected", async || guard.check().await.is_ok()).await;
    assert!(is_unavailable(&spent(&guard, &clock, 2).await));
    clock.advance(REACH + Duration::from_micros(1));
    assert_eq!(spent(&guard, &clock, 3).await, Ok(()));
    assert_eq!(spent(&guard, &clock, 3).await, Err(GuardError::Replayed));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_master_is_left_when_the_sentinels_name_another() {
    let directories: Vec<TempDir> = (0..3).map(|_| TempDir::new().unwrap()).collect();
    let old = Redis::start(directories[0].path(), &[]).unwrap();
    let new = Redis::start(directories[1].path(), &[]).unwrap();
    let sentinel = watch(&directories[2], &old);
    let url = format!("redis+sentinel://{}/main", sentinel.address());
    let (guard, clock) = settled(at(&url)).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    let probe = RedisProbe::new(at(&url), SharedLimits::default());
    assert_eq!(probe.look().await, Ok(()));
    // The old one knows nothing of it and would go on.
    sentinel.command("SENTINEL REMOVE main").unwrap();
    let (address, down_after) = (new.address().replace(':', " "), DOWN_AFTER);
    sentinel.command(&format!("SENTINEL MONITOR main {address} 1")).unwrap();
    sentinel.command(&format!("SENTINEL SET main down-after-milliseconds {down_after}")).unwrap();
    until("the new one is asked", async || {
        new.command("EXISTS countersign:tests:epoch:{0}").unwrap().trim() == ":1"
    })
    .await;
    until("connected", async || guard.check().await.is_ok()).await;
    assert!(is_unavailable(&spent(&guard, &clock, 2).await));
    clock.advance(REACH + Duration::from_micros(1));
    assert_eq!(spent(&guard, &clock, 3).await, Ok(()));
    assert_eq!(new.command("DBSIZE").unwrap().trim(), ":4", "the marks, its number and a use");
    new.command("CONFIG SET maxmemory-policy allkeys-lru").unwrap();
    let Err(RedisError::Unfit(refused)) = probe.look().await else { panic!("of the old one") };
    assert!(refused.contains("maxmemory-policy"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sentinel_of_three_is_not_believed() {
    let directories: Vec<TempDir> = (0..2).map(|_| TempDir::new().unwrap()).collect();
    let master = Redis::start(directories[0].path(), &[]).unwrap();
    let sentinel = watch(&directories[1], &master);
    // Two ports at which nobody listens.
    let held: Vec<TcpListener> =
        (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let gone = held.iter().map(|port| port.local_addr().unwrap().to_string());
    let addresses = gone.chain([sentinel.address()]).collect::<Vec<_>>().join(",");
    drop(held);
    let clock = Arc::new(ManualClock::at(NOON));
    let guard = start(at(&format!("redis+sentinel://{addresses}/main")), &clock).await.unwrap();
    let said = guard.check().await.unwrap_err().to_string();
    assert!(said.contains("1 of 3 sentinels name the same master"), "{said}");
}
