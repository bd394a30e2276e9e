//! A cluster of three masters.

use std::net::TcpListener;
use std::sync::Arc;
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
    _directories: Vec<TempDir>,
}

impl Cluster {
    async fn start() -> Self {
        let directories: Vec<TempDir> = (0..3).map(|_| TempDir::new().unwrap()).collect();
        let servers: Vec<Redis> = directories
            .iter()
            .map(|directory| {
                let bus = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
                let bus = bus.to_string();
                let settings = ["--cluster-enabled", "yes", "--cluster-port", &bus];
                let server = Redis::start(directory.path(), &settings).unwrap();
                (server, bus)
            })
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
        let cluster = Self { servers, _directories: directories };
        until("the cluster is complete", async || {
            cluster.servers.iter().all(|server| {
                let info = server.command("CLUSTER INFO").unwrap();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
        })
        .await;
        cluster
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
