//! What a database says of itself, for operators.

use countersign_core::ports::StoreError;

use super::database::Database;
use super::query::{Runs as _, query};
use super::statements::ByDialect;
use super::{migrations, unavailable};

/// Name and value of what decides whether a commit lasts.
const SETTINGS: ByDialect = ByDialect {
    sqlite: "SELECT 'journal_mode', CAST(journal_mode AS TEXT) FROM pragma_journal_mode \
             UNION ALL SELECT 'synchronous', CAST(synchronous AS TEXT) FROM pragma_synchronous",
    postgres: "SELECT name, setting FROM pg_catalog.pg_settings \
               WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name",
};

/// What was found in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The version of the schema in it.
    pub schema: i64,
    /// The version that this program was built for.
    pub expected_schema: i64,
    /// What it does to make a commit last: names and values of its settings.
    pub durability: Vec<(String, String)>,
}

impl Database {
    /// Asks the database about itself.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn inspect(&self) -> Result<Inspection, StoreError> {
        let mut reading = self.read().await.map_err(unavailable)?;
        let inspect = async {
            let (schema, expected_schema) = migrations::version(&mut reading).await?;
            let settings = reading.choose(&SETTINGS);
            let durability = query(settings).all(&mut reading).await?;
            Ok(Inspection { schema, expected_schema, durability })
        };
        inspect.await.map_err(unavailable)
    }
}
