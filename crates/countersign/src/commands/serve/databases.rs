//! The databases of a server: one file, or PostgreSQL and a file for spent nonces.

use std::path::Path;

use countersign_store::{Database, Durability, PostgresServer, SqliteFile};

use crate::config::{DatabaseLocation, Settings, Synchronous};
use crate::data_directory::DataDirectory;
use crate::failure::Failure;

/// What is opened before anything else.
pub(super) struct Databases {
    /// Accounts, keys and tokens.
    pub(super) main: Database,
    /// Spent nonces, which belong to this one server.
    pub(super) nonces: SqliteFile,
}

impl Databases {
    /// Opens what the settings name.
    ///
    /// # Errors
    /// A [`Failure`] that names the file or the setting.
    pub(super) async fn open(
        settings: &Settings,
        directory: &DataDirectory,
    ) -> Result<Self, Failure> {
        let file = async |path: &Path| open_file(path, settings.synchronous).await;
        match &settings.database {
            DatabaseLocation::DataDirectory => {
                let nonces = file(&directory.paths.database()).await?;
                Ok(Self { main: nonces.clone().into(), nonces })
            }
            DatabaseLocation::File(path) => {
                let nonces = file(path).await?;
                Ok(Self { main: nonces.clone().into(), nonces })
            }
            DatabaseLocation::Postgres(url, limits) => {
                let server = PostgresServer::open(url, *limits).await;
                let server = server
                    .map_err(|error| Failure::usage(format_args!("database_url: {error}")))?;
                Ok(Self { main: server.into(), nonces: file(&directory.paths.nonces()).await? })
            }
        }
    }

    /// Ends all connections.
    pub(super) async fn close(&self) {
        self.main.close().await;
        self.nonces.close().await;
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
