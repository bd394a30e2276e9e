//! Brings a database to the schema this program was built for.
//!
//! All pending steps and the record of them are one transaction that excludes
//! other writers, so programs that start at the same time do each step once and
//! a step that fails leaves the database as it was.

use super::database::OpenError;
use super::query::{Transaction, query};

/// A step of the schema, never changed once released.
struct Migration {
    version: i64,
    name: &'static str,
    /// The oldest version whose programs run on this one's schema, which may only add to
    /// theirs. They start on it, too, if they are of [`NOTED_FROM`] or later.
    runs_beside: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

/// The steps, numbered from 1 without gaps.
const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "registry",
        runs_beside: 1,
        sqlite: include_str!("../../migrations/sqlite/0001_registry.sql"),
        postgres: include_str!("../../migrations/postgres/0001_registry.sql"),
    },
    Migration {
        version: 2,
        name: "spent nonces",
        runs_beside: 2,
        sqlite: include_str!("../../migrations/sqlite/0002_spent_nonces.sql"),
        postgres: include_str!("../../migrations/postgres/0002_spent_nonces.sql"),
    },
    Migration {
        version: 3,
        name: "tokens",
        runs_beside: 3,
        sqlite: include_str!("../../migrations/sqlite/0003_tokens.sql"),
        postgres: include_str!("../../migrations/postgres/0003_tokens.sql"),
    },
    Migration {
        version: 4,
        name: "newest accounts",
        runs_beside: 3,
        sqlite: include_str!("../../migrations/sqlite/0004_newest_accounts.sql"),
        postgres: include_str!("../../migrations/postgres/0004_newest_accounts.sql"),
    },
    Migration {
        version: 5,
        name: "shared nonces",
        runs_beside: 3,
        sqlite: include_str!("../../migrations/sqlite/0005_shared_nonces.sql"),
        postgres: include_str!("../../migrations/postgres/0005_shared_nonces.sql"),
    },
    Migration {
        version: 6,
        name: "console visits",
        runs_beside: 3,
        sqlite: include_str!("../../migrations/sqlite/0006_console_visits.sql"),
        postgres: include_str!("../../migrations/postgres/0006_console_visits.sql"),
    },
    Migration {
        version: 7,
        name: "programs beside",
        runs_beside: 3,
        sqlite: include_str!("../../migrations/sqlite/0007_programs_beside.sql"),
        postgres: include_str!("../../migrations/postgres/0007_programs_beside.sql"),
    },
];

/// The step that has it noted which programs run beside.
const NOTED_FROM: i64 = 7;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS countersign_migrations \
     (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)";
const LATEST: &str = "SELECT max(version) FROM countersign_migrations";
const RECORD: &str = "INSERT INTO countersign_migrations (version, name) VALUES ($1, $2)";
const NOTE: &str = "UPDATE countersign_migrations SET runs_beside = $2 WHERE version = $1";
const TOO_NEW: &str = "SELECT count(*) FROM countersign_migrations \
     WHERE version > $1 AND (runs_beside IS NULL OR runs_beside > $1)";

/// Applies what is pending. The transaction must keep other programs from doing
/// the same.
pub(super) async fn apply(transaction: &mut Transaction) -> Result<(), OpenError> {
    bring_to(MIGRATIONS, transaction).await
}

async fn bring_to(steps: &[Migration], transaction: &mut Transaction) -> Result<(), OpenError> {
    query(CREATE).execute(transaction).await?;
    let latest: Option<(Option<i64>,)> = query(LATEST).optional(transaction).await?;
    let latest = latest.and_then(|(version,)| version).unwrap_or(0);
    let known = steps.last().map_or(0, |step| step.version);
    if latest > known {
        let too_new: Option<(i64,)> = query(TOO_NEW).bind(known).optional(transaction).await?;
        if too_new != Some((0,)) {
            return Err(OpenError::Newer { found: latest, known });
        }
        tracing::warn!(
            found = latest,
            known,
            "a later release has changed the schema of the database; this one runs beside it"
        );
    }
    for migration in steps.iter().filter(|migration| migration.version > latest) {
        let script = match transaction {
            Transaction::Sqlite(_) => migration.sqlite,
            Transaction::Postgres(_) => migration.postgres,
        };
        transaction.run_script(script).await.map_err(|error| OpenError::Migration {
            version: migration.version,
            name: migration.name,
            error,
        })?;
        query(RECORD).bind(migration.version).bind(migration.name).execute(transaction).await?;
        if migration.version >= NOTED_FROM {
            let note = query(NOTE).bind(migration.version).bind(migration.runs_beside);
            note.execute(transaction).await?;
        }
    }
    Ok(())
}

/// The version of the schema in a database, and the one that is expected.
pub(super) async fn version(transaction: &mut Transaction) -> Result<(i64, i64), sqlx::Error> {
    let latest: Option<(Option<i64>,)> = query(LATEST).optional(transaction).await?;
    Ok((latest.and_then(|(version,)| version).unwrap_or(0), newest()))
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
        for Migration { version, runs_beside, .. } in MIGRATIONS {
            assert!(runs_beside <= version);
        }
    }
}
