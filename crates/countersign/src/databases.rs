//! The databases of an installation: one file, or PostgreSQL and a file for spent nonces.

use std::path::Path;

use countersign_store::{Database, Durability, PostgresServer, SqliteFile};

use crate::config::{DatabaseLocation, GuardChoice, Settings, Synchronous};
use crate::data_directory::{DataDirectory, Paths};
use crate::failure::Failure;

/// What is opened before anything else.
pub(crate) struct Databases {
    /// Accounts, keys and tokens.
    pub(crate) main: Database,
    /// Spent nonces, where the guard keeps them in a file of this one server's.
    pub(crate) nonces: Option<SqliteFile>,
}

impl Databases {
    /// Opens what the settings name.
    ///
    /// # Errors
    /// A [`Failure`] that names the file or the setting.
    pub(crate) async fn open(
        settings: &Settings,
        directory: &DataDirectory,
    ) -> Result<Self, Failure> {
        let main = open_main(settings, &directory.paths).await?;
        let nonces = match (&settings.replay.guard, &main) {
            (GuardChoice::Durable, Database::Sqlite(file)) => Some(file.clone()),
            (GuardChoice::Durable, Database::Postgres(_)) => {
                Some(open_file(&directory.paths.nonces(), settings.synchronous).await?)
            }
            _ => None,
        };
        Ok(Self { main, nonces })
    }

    /// Ends all connections.
    pub(crate) async fn close(&self) {
        self.main.close().await;
        if let Some(nonces) = &self.nonces {
            nonces.close().await;
        }
    }
}

/// Opens the database of accounts, keys and tokens alone.
///
/// # Errors
/// As [`Databases::open`].
pub(crate) async fn open_main(settings: &Settings, paths: &Paths) -> Result<Database, Failure> {
    match &settings.database {
        DatabaseLocation::DataDirectory => {
            Ok(open_file(&paths.database(), settings.synchronous).await?.into())
        }
        DatabaseLocation::File(path) => Ok(open_file(path, settings.synchronous).await?.into()),
        DatabaseLocation::Postgres(url, limits) => {
            let server = PostgresServer::open(url, *limits).await;
            let named = |error| Failure::usage(format_args!("database_url: {error}"));
            Ok(server.map_err(named)?.into())
        }
    }
}

async fn open_file(path: &Path, synchronous: Synchronous) -> Result<SqliteFile, Failure> {
    DataDirectory::prepare_database(path)?;
    let durability = match synchronous {
        Synchronous::Normal => Durability::ProcessCrash,
        Synchronous::Full => Durability::PowerLoss,
    };
    SqliteFile::open(path, durability)
        .await
        .map_err(|error| Failure::usage(format_args!("{}: {error}", path.display())))
}
