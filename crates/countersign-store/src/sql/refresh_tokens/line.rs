//! A connection of one's own that outlives its errors.

use std::time::Duration;

use countersign_core::ports::StoreError;
use serde::Serialize;

use crate::sql::database::Database;
use crate::sql::query::{Connection, EitherRow, Query, query};
use crate::sql::statements::ByDialect;
use crate::sql::unavailable;

/// How long a statement may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to a database for one user.
pub(super) struct Line {
    database: Database,
    /// None before the first use and after an error, so that whatever broke the
    /// connection does not outlast it.
    connection: Option<Connection>,
}

impl Line {
    pub(super) fn new(database: Database) -> Self {
        Self { database, connection: None }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// The rows of a statement for a whole batch.
    pub(super) async fn all<T: EitherRow>(
        &mut self,
        statement: &ByDialect,
        batch: &impl Serialize,
    ) -> Result<Vec<T>, StoreError> {
        let query = self.about(statement, batch)?;
        self.run(async |connection| query.all(connection).await).await
    }

    /// Runs a statement for a whole batch; how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        statement: &ByDialect,
        batch: &impl Serialize,
    ) -> Result<u64, StoreError> {
        let query = self.about(statement, batch)?;
        self.run(async |connection| query.execute(connection).await).await
    }

    /// Does something on the connection.
    pub(super) async fn run<T>(
        &mut self,
        what: impl AsyncFnOnce(&mut Connection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let work = async {
            let connection = match &mut self.connection {
                Some(connection) => connection,
                none => none.insert(self.database.connect().await?),
            };
            what(connection).await
        };
        let outcome = match tokio::time::timeout(PATIENCE, work).await {
            Ok(outcome) => outcome.map_err(unavailable),
            Err(_) => Err(StoreError::Unavailable("no answer in time".to_owned())),
        };
        if outcome.is_err() {
            self.connection = None;
        }
        outcome
    }

    fn about(&self, statement: &ByDialect, batch: &impl Serialize) -> Result<Query, StoreError> {
        let batch = serde_json::to_string(batch)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let sql = match self.database {
            Database::Sqlite(_) => statement.sqlite,
            Database::Postgres(_) => statement.postgres,
        };
        Ok(query(sql).bind(batch))
    }
}
