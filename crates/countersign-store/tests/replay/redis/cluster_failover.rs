//! A replica takes a master's place in a cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::ports::{GuardError, ReplayGuard as _};
use countersign_store::replay::RedisReplayGuard;
use tokio::task::JoinHandle;

use super::nodes::{self, Node};
use super::{at, settled, spent, start, until_connected};
use crate::outages::{REACH, is_unavailable, until};
use crate::support::ManualClock;

/// The lag is less than the time after which a replica takes over.
const SETTINGS: [&str; 8] = [
    "--min-replicas-to-write",
    "1",
    "--min-replicas-max-lag",
    "9",
    "--cluster-node-timeout",
    "10000",
    "--cluster-allow-replica-migration",
    "no",
];

const BETWEEN_TOKENS: Duration = Duration::from_millis(2);

/// Two servers' guards over three masters, each with a replica.
struct World {
    masters: Vec<Node>,
    replicas: Vec<Node>,
    guards: [Arc<RedisReplayGuard>; 2],
    clock: Arc<ManualClock>,
}

impl World {
    async fn start() -> Self {
        let masters = nodes::masters(&SETTINGS).await;
        let replicas = nodes::replicas(&masters, &SETTINGS).await;
        let url = format!("redis+cluster://{}", nodes::addresses(&masters));
        let (first, clock) = settled(at(&url)).await;
        let second = start(at(&url), &clock).await.unwrap();
        Self { masters, replicas, guards: [first, second], clock }
    }

    /// Has both guards asked for one token after the other, at once, until that is over; which
    /// were accepted.
    fn race(&self, over: &Arc<AtomicBool>) -> JoinHandle<Vec<u64>> {
        let (guards, clock, over) = (self.guards.clone(), self.clock.clone(), Arc::clone(over));
        tokio::spawn(async move {
            let mut accepted = Vec::new();
            for number in 0.. {
                let [first, second] = guards.each_ref().map(|guard| spent(guard, &clock, number));
                match tokio::join!(first, second) {
                    (Ok(()), Ok(())) => panic!("{number} was accepted twice"),
                    (Ok(()), _) | (_, Ok(())) => accepted.push(number),
                    _ => {}
                }
                if over.load(Ordering::Relaxed) {
                    break;
                }
                // A refusal may come at once, and others want to run.
                tokio::time::sleep(BETWEEN_TOKENS).await;
            }
            accepted
        })
    }

    async fn until_connected(&self) {
        for guard in &self.guards {
            until_connected(guard).await;
        }
    }

    /// Callers wait, and go on with whoever is a master by then.
    async fn goes_on(&self, accepted: &[u64], promoted: &Node) {
        for guard in &self.guards {
            for number in accepted.iter().copied().chain([1_000_000]) {
                let outcome = spent(guard, &self.clock, number).await;
                let is_refused = is_unavailable(&outcome) || outcome == Err(GuardError::Replayed);
                assert!(is_refused, "{number}: {outcome:?}");
            }
        }
        assert!(is_unavailable(&spent(&self.guards[0], &self.clock, 1_000_001).await));
        self.clock.advance(REACH + Duration::from_micros(1));
        let before = promoted.keys();
        for number in 2_000_000..2_000_030 {
            assert_eq!(spent(&self.guards[0], &self.clock, number).await, Ok(()));
            let again = spent(&self.guards[1], &self.clock, number).await;
            assert_eq!(again, Err(GuardError::Replayed));
        }
        assert!(promoted.keys() > before, "the new master takes its part");
    }
}

async fn until_master(node: &Node) {
    until("taken over", async || node.ask("INFO replication").contains("role:master")).await;
}

async fn until_followed(node: &Node) {
    until("followed", async || node.has_a_replica()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_master_is_killed_callers_wait_and_go_on_with_its_replica() {
    let mut world = World::start().await;
    let over = Arc::new(AtomicBool::new(false));
    let race = world.race(&over);
    until("some are accepted", async || world.replicas[1].keys() > 12).await;
    world.masters[1].server.kill().unwrap();
    until("noticed", async || world.guards[0].check().await.is_err()).await;
    until_master(&world.replicas[1]).await;
    // It takes nothing before it has a replica in its turn: here, the one whose place it took.
    world.masters[1].server.start_again().unwrap();
    until_followed(&world.replicas[1]).await;
    nodes::until_complete(&world.masters).await;
    world.until_connected().await;
    over.store(true, Ordering::Relaxed);
    let accepted = race.await.unwrap();
    assert!(!accepted.is_empty());
    world.goes_on(&accepted, &world.replicas[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_hands_over_to_its_replica_has_callers_wait() {
    let world = World::start().await;
    let over = Arc::new(AtomicBool::new(false));
    let race = world.race(&over);
    until("some are accepted", async || world.replicas[1].keys() > 12).await;
    let said = world.replicas[1].ask("CLUSTER FAILOVER");
    assert!(said.starts_with("+OK"), "{said}");
    until_master(&world.replicas[1]).await;
    until_followed(&world.replicas[1]).await;
    let fresh = AtomicU64::new(3_000_000);
    until("noticed", async || {
        let number = fresh.fetch_add(1, Ordering::Relaxed);
        let held = spent(&world.guards[0], &world.clock, number).await;
        matches!(held, Err(GuardError::MayHaveBeenUsed(_)))
    })
    .await;
    nodes::until_complete(&world.masters).await;
    world.until_connected().await;
    over.store(true, Ordering::Relaxed);
    let accepted = race.await.unwrap();
    world.goes_on(&accepted, &world.replicas[1]).await;
}
