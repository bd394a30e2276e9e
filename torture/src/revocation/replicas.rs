//! Three replicas on one PostgreSQL, and what stands in the way of the news between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use countersign_testbed::{Durability, Postgres};
use interop::Countersign;
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Trouble;

const REPLICAS: usize = 3;
/// The window in which signed requests are accepted: short, because a new guard waits for its
/// end before it accepts any.
const TOLERANCE: &str = "--tolerance=5s";
const BETWEEN_CUTS: Duration = Duration::from_millis(20);

/// The servers.
pub(super) struct Replicas {
    servers: Vec<Countersign>,
    // Ends after those that use it.
    postgres: Postgres,
}

impl Replicas {
    pub(super) async fn start() -> Result<Self> {
        let postgres = Postgres::of_its_own(Durability::Relaxed)?;
        let database = postgres.fresh_database().await?;
        let mut options = vec![TOLERANCE.to_owned(), "--replay-guard=database".to_owned()];
        let mut servers = Vec::<Countersign>::new();
        for number in 0..REPLICAS {
            let words: Vec<_> = options.iter().map(String::as_str).collect();
            let server = Countersign::start_on_postgres(database.url(), &words).await?;
            if number == 0 {
                let key = server.encryption_key();
                options.push(format!("--encryption-key-file={}", key.display()));
            }
            servers.push(server);
        }
        Ok(Self { servers, postgres })
    }

    /// The one that is administrated.
    pub(super) fn first(&self) -> &Countersign {
        &self.servers[0]
    }

    /// Where each listens for those who call it.
    pub(super) fn urls(&self) -> Vec<String> {
        self.servers.iter().map(|server| server.url().to_owned()).collect()
    }

    /// Begins to make trouble, until that is ended.
    pub(super) async fn make_trouble(&self, trouble: Trouble) -> Result<Troubled> {
        let cuts = Arc::new(AtomicUsize::new(0));
        let cutting = match trouble {
            Trouble::None => None,
            Trouble::CutListeners => {
                let connection = PgConnection::connect(&self.postgres.url()?).await?;
                Some(tokio::spawn(cut_listeners(connection, Arc::clone(&cuts))))
            }
        };
        Ok(Troubled { cuts, cutting })
    }
}

/// Trouble that is being made.
pub(super) struct Troubled {
    cuts: Arc<AtomicUsize>,
    cutting: Option<JoinHandle<Result<()>>>,
}

impl Troubled {
    /// How many connections were cut.
    pub(super) fn end(self) -> Result<usize> {
        if let Some(cutting) = self.cutting {
            ensure!(!cutting.is_finished(), "nobody cut connections any more");
            cutting.abort();
        }
        Ok(self.cuts.load(Ordering::Relaxed))
    }
}

async fn cut_listeners(mut connection: PgConnection, cuts: Arc<AtomicUsize>) -> Result<()> {
    let listeners = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE query LIKE 'LISTEN%'";
    loop {
        let cut = sqlx::query(listeners).fetch_all(&mut connection).await?;
        cuts.fetch_add(cut.len(), Ordering::Relaxed);
        sleep(BETWEEN_CUTS).await;
    }
}
