//! A cluster of three masters.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::Clock as _;
use countersign_core::ports::{GuardError, ReplayGuard as _};
use countersign_store::replay::conformance::{self, Candidate};
use countersign_testbed::Redis;
use tempfile::TempDir;

use super::{at, settled, spent, start};
use crate::outages::{REACH, is_unavailable, until};
use crate::support::account;

struct Cluster {
    servers: Vec<Redis>,
    replicas: Vec<Redis>,
    directories: Vec<TempDir>,
}

/// A server that is about to join a cluster, and the port of its bus.
fn member(directory: &TempDir) -> (Redis, String) {
    let bus = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let enabled = ["--cluster-enabled", "yes", "--cluster-port", &bus];
    // Replicas would change over to a master that has none.
    let settings = [&enabled[..], &["--cluster-allow-replica-migration", "no"]].concat();
    (Redis::start(directory.path(), &settings).unwrap(), bus)
}

fn id_of(server: &Redis) -> String {
    let answer = server.command("CLUSTER MYID").unwrap();
    answer.lines().nth(1).unwrap().to_owned()
}

fn connected_replicas(master: &Redis) -> usize {
    let info = master.command("INFO replication").unwrap();
    info.matches("state=online").count()
}

impl Cluster {
    async fn start() -> Self {
        let directories: Vec<TempDir> = (0..3).map(|_| TempDir::new().unwrap()).collect();
        let servers: Vec<Redis> = directories
            .iter()
            .map(member)
            .enumerate()
            .map(|(number, (server, bus))| {
                let (first, last) = [(0, 5460), (5461, 10922), (10923, 16383)][number];
                server.command(&format!("CLUSTER ADDSLOTSRANGE {first} {last}")).unwrap();
                server.command(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1)).unwrap();
                (server, bus)
            })
            .collect::<Vec<_>>()
            .into_iter()
            .scan(None::<String>, |met, (server, bus)| {
                let address = server.address().replace(':', " ");
                if let Some(met) = met {
                    server.command(&format!("CLUSTER MEET {met}")).unwrap();
                } else {
                    *met = Some(format!("{address} {bus}"));
                }
                Some(server)
            })
            .collect();
        let cluster = Self { servers, replicas: Vec::new(), directories };
        until("the cluster is complete", async || {
            cluster.servers.iter().all(|server| {
                let info = server.command("CLUSTER INFO").unwrap();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
        })
        .await;
        cluster
    }

    /// Replicas of the first master, which its cluster knows.
    async fn first_has_more(&mut self, replicas: usize) {
        let master = &self.servers[0];
        let wanted = connected_replicas(master) + replicas;
        let id = id_of(master);
        for _ in 0..replicas {
            let directory = TempDir::new().unwrap();
            let (replica, bus) = member(&directory);
            let met = replica.address().replace(':', " ");
            master.command(&format!("CLUSTER MEET {met} {bus}")).unwrap();
            until("the replica knows its master", async || {
                replica.command(&format!("CLUSTER REPLICATE {id}")).unwrap().contains("OK")
            })
            .await;
            self.replicas.push(replica);
            self.directories.push(directory);
        }
        until("the replicas follow", async || connected_replicas(&self.servers[0]) == wanted).await;
    }

    fn url(&self) -> String {
        let addresses: Vec<String> = self.servers.iter().map(Redis::address).collect();
        format!("redis+cluster://{}", addresses.join(","))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_one_guard_over_all_its_masters() {
    let cluster = Cluster::start().await;
    let (guard, clock) = settled(at(&cluster.url())).await;
    let candidate = Candidate {
        guard: Arc::clone(&guard) as _,
        now: clock.now(),
        account: account("worker"),
        run: 1,
    };
    conformance::check(&candidate, 20).await;
    let another = start(at(&cluster.url()), &clock).await.unwrap();
    for number in 0..100 {
        assert_eq!(spent(&guard, &clock, number).await, Ok(()));
        assert_eq!(spent(&another, &clock, number).await, Err(GuardError::Replayed));
    }
    for server in &cluster.servers {
        let count: u32 =
            server.command("DBSIZE").unwrap().trim_start_matches(':').trim().parse().unwrap();
        assert!(count > 20, "each takes its part: {count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_master_is_emptied_unnoticed() {
    let cluster = Cluster::start().await;
    for (number, emptied) in (0..).step_by(100).zip(&cluster.servers) {
        let (guard, clock) = settled(at(&cluster.url())).await;
        clock.advance(REACH * number);
        let another = start(at(&cluster.url()), &clock).await.unwrap();
        for number in number.into()..u64::from(number) + 30 {
            assert_eq!(spent(&guard, &clock, number).await, Ok(()));
        }
        emptied.command("FLUSHALL").unwrap();
        for number in number.into()..u64::from(number) + 30 {
            let outcome = spent(&another, &clock, number).await;
            assert!(outcome.is_err(), "{number}: {outcome:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_restarts_has_callers_wait() {
    let mut cluster = Cluster::start().await;
    let (guard, clock) = settled(at(&cluster.url())).await;
    for number in 0..30 {
        assert_eq!(spent(&guard, &clock, number).await, Ok(()));
    }
    cluster.servers[1].kill().unwrap();
    until("noticed", async || guard.check().await.is_err()).await;
    cluster.servers[1].start_again().unwrap();
    let another = start(at(&cluster.url()), &clock).await.unwrap();
    until("connected", async || guard.check().await.is_ok() && another.check().await.is_ok()).await;
    for number in 0..30 {
        let outcome = spent(&another, &clock, number).await;
        assert!(is_unavailable(&outcome), "{number}: {outcome:?}");
    }
    clock.advance(REACH + Duration::from_micros(1));
    until("the cluster is complete again", async || {
        cluster.servers[1].command("CLUSTER INFO").unwrap().contains("cluster_state:ok")
    })
    .await;
    for number in 100..130 {
        assert_eq!(spent(&guard, &clock, number).await, Ok(()));
        assert_eq!(spent(&another, &clock, number).await, Err(GuardError::Replayed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_gets_more_replicas_is_judged_anew() {
    let mut cluster = Cluster::start().await;
    cluster.first_has_more(1).await;
    for setting in ["min-replicas-to-write 1", "min-replicas-max-lag 5"] {
        cluster.servers[0].command(&format!("CONFIG SET {setting}")).unwrap();
    }
    until("the replica is counted", async || {
        let info = cluster.servers[0].command("INFO replication").unwrap();
        info.contains("min_slaves_good_slaves:1")
    })
    .await;
    let (guard, clock) = settled(at(&cluster.url())).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    // Cut off with one of three, it would go on.
    cluster.first_has_more(2).await;
    until("refused", async || {
        guard.check().await.is_err_and(|error| {
            let said = error.to_string();
            said.contains("min-replicas-to-write is 1, expected at least 2")
        })
    })
    .await;
    cluster.servers[0].command("CONFIG SET min-replicas-to-write 2").unwrap();
    until("taken", async || guard.check().await.is_ok()).await;
    assert_eq!(spent(&guard, &clock, 2).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_unused_is_noticed() {
    let cluster = Cluster::start().await;
    let (guard, clock) = settled(at(&cluster.url())).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    let (from, to) = (id_of(&cluster.servers[0]), id_of(&cluster.servers[1]));
    let slot = (0..=5460)
        .find(|slot| {
            let count = cluster.servers[0].command(&format!("CLUSTER COUNTKEYSINSLOT {slot}"));
            count.unwrap().trim() == ":0"
        })
        .unwrap();
    let [old, new, _] = cluster.servers.as_slice() else { panic!("three") };
    new.command(&format!("CLUSTER SETSLOT {slot} IMPORTING {from}")).unwrap();
    old.command(&format!("CLUSTER SETSLOT {slot} MIGRATING {to}")).unwrap();
    for server in [new, old] {
        let moved = server.command(&format!("CLUSTER SETSLOT {slot} NODE {to}")).unwrap();
        assert!(moved.contains("OK"), "{moved}");
    }
    let numbers = AtomicU64::new(2);
    until("callers wait", async || {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        is_unavailable(&spent(&guard, &clock, number).await)
    })
    .await;
}
