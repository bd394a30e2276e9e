//! The audit trail of a PostgreSQL database, as one of several servers follows it: on
//! connections of its own, so that it does not queue behind those who ask while it is
//! not believed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{AuditRecord, Page, StoreError};
use countersign_core::{Clock, UnixTime};
use sqlx::postgres::PgListener;
use tokio::sync::{Mutex, Notify};
use tokio::task::AbortHandle;

use super::postgres::{NEWS, PostgresServer};
use super::query::{Connection, Query, query};
use super::rows::AuditRow;
use super::{limit, statements, unavailable};
use crate::clocks::{ClockDifference, SharedClock};
use crate::live_directory::SharedTrail;

/// How long to wait before listening again after the connection was lost.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);
/// The time at the moment, and not when the transaction began.
const TIME: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// The trail of a database that several servers share.
pub struct PostgresTrail {
    server: PostgresServer,
    connection: Mutex<Option<Connection>>,
    news: Arc<Notify>,
    listening: AbortHandle,
}

impl PostgresTrail {
    /// Begins to listen for news. Must be called within a tokio runtime.
    pub fn new(server: PostgresServer) -> Self {
        let news = Arc::new(Notify::new());
        let listening = tokio::spawn(listen(server.clone(), Arc::clone(&news)));
        Self { server, connection: Mutex::new(None), news, listening: listening.abort_handle() }
    }

    /// Runs a statement. If that fails, or whoever waits for it gives up, the connection is
    /// given up too.
    async fn run(&self, query: Query) -> Result<Vec<AuditRecord>, StoreError> {
        let mut held = self.connection.lock().await;
        let mut connection = self.take(&mut held).await?;
        let rows: Vec<AuditRow> = query.all(&mut connection).await.map_err(unavailable)?;
        *held = Some(connection);
        rows.into_iter().map(AuditRow::record).collect()
    }

    async fn take(&self, held: &mut Option<Connection>) -> Result<Connection, StoreError> {
        match held.take() {
            Some(connection) => Ok(connection),
            None => Ok(Connection::Postgres(self.server.connect().await.map_err(unavailable)?)),
        }
    }
}

impl Drop for PostgresTrail {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

#[async_trait]
impl SharedTrail for PostgresTrail {
    async fn rows(&self, page: Page<i64>) -> Result<Vec<AuditRecord>, StoreError> {
        let rows = query(statements::TRAIL_ROWS).bind(page.after.unwrap_or(0)).bind(limit(&page));
        self.run(rows).await
    }

    async fn last(&self) -> Result<Option<AuditRecord>, StoreError> {
        Ok(self.run(query(statements::TRAIL_LAST)).await?.pop())
    }

    async fn news(&self) {
        self.news.notified().await;
    }
}

/// The database's clock, asked on the connection that the trail is read on.
#[async_trait]
impl SharedClock for PostgresTrail {
    fn name(&self) -> &'static str {
        "database"
    }

    async fn compare(&self, own: &dyn Clock) -> Result<ClockDifference, StoreError> {
        let mut held = self.connection.lock().await;
        let mut connection = self.take(&mut held).await?;
        let ask = async {
            let time: Option<(i64,)> = query(TIME).optional(&mut connection).await?;
            time.map(|(micros,)| UnixTime::from_micros(micros)).ok_or(sqlx::Error::RowNotFound)
        };
        let difference = ClockDifference::measure(own, ask).await.map_err(unavailable)?;
        *held = Some(connection);
        Ok(difference)
    }
}

/// Listens until it is told to stop. What was said while there was no connection, whoever
/// follows the trail sees without.
async fn listen(server: PostgresServer, news: Arc<Notify>) {
    loop {
        if let Err(error) = listen_once(&server, &news).await {
            tracing::debug!(%error, "the database cannot be listened to, trying again");
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

async fn listen_once(server: &PostgresServer, news: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(&server.pool_of_one()).await?;
    listener.listen(NEWS).await?;
    loop {
        listener.recv().await?;
        news.notify_one();
    }
}
