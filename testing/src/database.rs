//! A database for one test.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::postgres::Postgres;
use crate::{environment, random};

/// An empty database with a random name and a user of its own, who owns it and
/// may nothing else. It stays until its cluster ends.
#[derive(Clone, Debug)]
pub struct Database {
    url: String,
    address: String,
    ca: PathBuf,
}

/// Makes a database on the cluster that all tests of this run share.
///
/// # Errors
/// If `cargo xtask` told of none.
pub async fn fresh_database() -> Result<Database> {
    let ca = environment::path(environment::CA)?;
    Database::make(&environment::variable(environment::URL)?, ca).await
}

impl Postgres {
    /// Makes a database on this cluster.
    ///
    /// # Errors
    /// If the server is not running.
    pub async fn fresh_database(&self) -> Result<Database> {
        Database::make(&self.url()?, self.template().ca()).await
    }
}

impl Database {
    /// Its `postgres://` URL, with the user's password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same by way of another address, that of a proxy.
    #[must_use]
    pub fn url_by_way_of(&self, address: &str) -> String {
        self.url.replacen(&self.address, address, 1)
    }

    /// Where its cluster listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The URL over TLS and with the server's certificate checked.
    pub fn url_with_tls(&self) -> String {
        let ca = self.ca.to_string_lossy();
        let ca = utf8_percent_encode(&ca, NON_ALPHANUMERIC);
        format!("{}?sslmode=verify-full&sslrootcert={ca}", self.url)
    }

    /// The file with the certificate of the server's authority.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    async fn make(superuser: &str, ca: PathBuf) -> Result<Self> {
        let (name, password) = (format!("test_{}", random::name()?), random::name()?);
        let mut connection = PgConnection::connect(superuser)
            .await
            .context("cannot connect to the tests' PostgreSQL")?;
        for statement in [
            format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"),
            // The other template may be in use by a server's own housekeeping.
            format!("CREATE DATABASE {name} OWNER {name} TEMPLATE template0"),
            format!("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"),
        ] {
            connection
                .execute(AssertSqlSafe(statement))
                .await
                .with_context(|| format!("cannot make the database {name}"))?;
        }
        connection.close().await?;
        let address = superuser
            .rsplit_once('@')
            .and_then(|(_, after)| after.split('/').next())
            .context("the URL of the tests' PostgreSQL names no host")?;
        let url = format!("postgres://{name}:{password}@{address}/{name}");
        Ok(Self { url, address: address.to_owned(), ca })
    }
}
