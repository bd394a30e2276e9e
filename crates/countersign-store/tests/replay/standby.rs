//! A standby beside the PostgreSQL of a guard, and one that takes over.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::Clock as _;
use countersign_core::ports::{GuardError, ReplayGuard as _};
use countersign_testbed::{Durability, Postgres};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::outages::{REACH, is_unavailable, until};
use crate::postgres::{LIVE, settled, spent, start, until_connected};
use crate::support::{account, spend};

/// Host and port in a URL.
fn address(url: &str) -> &str {
    url.rsplit_once('@').unwrap().1.split_once('/').unwrap().0
}

/// An address that leads to whichever server has its turn, as that of a cluster manager does.
struct Service {
    address: String,
    leads_to: Arc<Mutex<String>>,
}

impl Service {
    async fn of(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let leads_to = Arc::new(Mutex::new(server.to_owned()));
        let present = Arc::clone(&leads_to);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let server = present.lock().unwrap().clone();
                tokio::spawn(async move {
                    // A server that is gone ends the client's connection.
                    if let Ok(mut server) = TcpStream::connect(server).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Self { address, leads_to }
    }

    fn lead_to(&self, server: &str) {
        server.clone_into(&mut self.leads_to.lock().unwrap());
    }
}

async fn live(url: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(LIVE).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_promoted_standby_never_heard_of_is_not_accepted_again() {
    let mut primary = Postgres::of_its_own(Durability::Relaxed).unwrap();
    let database = primary.fresh_database().await.unwrap();
    let mut standby = primary.standby().unwrap();
    let (old, new) = (primary.url().unwrap(), standby.url().unwrap());
    let service = Service::of(address(&old)).await;
    let url = database.url().replace(address(&old), &service.address);

    let (guard, clock) = settled(&url).await;
    let another = start(&url, &clock).await.unwrap();
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    let copy = database.url().replace(address(&old), address(&new));
    until("copied", async || live(&copy).await == 1).await;
    standby.stop().unwrap();
    assert_eq!(spent(&guard, &clock, 2).await, Ok(()));
    let before = clock.now();

    primary.kill().unwrap();
    standby.start_again().unwrap();
    PgConnection::connect(&new).await.unwrap().execute("SELECT pg_promote()").await.unwrap();
    assert_eq!(live(&copy).await, 1, "it has not heard of the second");
    service.lead_to(address(&new));
    until_connected(&another).await;
    // Which of them was accepted before, nobody there can tell.
    for number in 1..=3 {
        let outcome = spent(&another, &clock, number).await;
        assert!(is_unavailable(&outcome), "{number}: {outcome:?}");
    }
    clock.advance(REACH + Duration::from_micros(1));
    let outcome = another.spend(spend(&account("a"), 2, before)).await;
    assert!(is_unavailable(&outcome), "{outcome:?}");
    assert_eq!(spent(&another, &clock, 4).await, Ok(()));
    until_connected(&guard).await;
    assert_eq!(spent(&guard, &clock, 4).await, Err(GuardError::Replayed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_without_its_synchronous_standby_confirms_nothing() {
    let mut primary = Postgres::of_its_own(Durability::Relaxed).unwrap();
    let database = primary.fresh_database().await.unwrap();
    let mut standby = primary.standby().unwrap();
    let mut connection = PgConnection::connect(&primary.url().unwrap()).await.unwrap();
    let ask = "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'";
    connection.execute(ask).await.unwrap();
    connection.execute("SELECT pg_reload_conf()").await.unwrap();
    let copies = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'";
    let url = primary.url().unwrap();
    until("followed", async || {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        sqlx::query_scalar::<_, i64>(copies).fetch_one(&mut connection).await.unwrap() == 1
    })
    .await;

    let (guard, clock) = settled(database.url()).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    standby.stop().unwrap();
    assert!(is_unavailable(&spent(&guard, &clock, 2).await));
    standby.start_again().unwrap();
    until_connected(&guard).await;
    let number = AtomicU64::new(3);
    let next = || number.fetch_add(1, Ordering::Relaxed);
    until("confirmed", async || spent(&guard, &clock, next()).await.is_ok()).await;
}
