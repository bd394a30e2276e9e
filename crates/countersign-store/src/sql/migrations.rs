//! Brings a database to the schema this program was built for.
//!
//! All pending steps and the record of them are one transaction that excludes
//! other writers, so programs that start at the same time do each step once and
//! a step that fails leaves the database as it was.

use sqlx::SqliteConnection;

use super::database::OpenError;

/// A step of the schema, never changed once released.
struct Migration {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
}

/// The steps, numbered from 1 without gaps.
const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "registry",
        sqlite: include_str!("../../migrations/sqlite/0001_registry.sql"),
    },
    Migration {
        version: 2,
        name: "spent nonces",
        sqlite: include_str!("../../migrations/sqlite/0002_spent_nonces.sql"),
    },
];

const CREATE: &str = "CREATE TABLE IF NOT EXISTS countersign_migrations \
     (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)";
const LATEST: &str = "SELECT max(version) FROM countersign_migrations";
const RECORD: &str = "INSERT INTO countersign_migrations (version, name) VALUES ($1, $2)";

/// Applies what is pending. Must run in a transaction that holds the write lock.
pub(super) async fn apply(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    sqlx::query(CREATE).execute(&mut *connection).await?;
    let latest: Option<i64> = sqlx::query_scalar(LATEST).fetch_one(&mut *connection).await?;
    let latest = latest.unwrap_or(0);
    let known = newest();
    if latest > known {
        return Err(OpenError::Newer { found: latest, known });
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > latest) {
        sqlx::raw_sql(migration.sqlite).execute(&mut *connection).await.map_err(|error| {
            OpenError::Migration { version: migration.version, name: migration.name, error }
        })?;
        sqlx::query(RECORD)
            .bind(migration.version)
            .bind(migration.name)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The version of the last step.
fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_up_from_one() {
        let versions: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        let expected: Vec<i64> = (1..=newest()).collect();
        assert_eq!(versions, expected);
    }
}
