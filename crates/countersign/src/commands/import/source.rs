//! The other program's database.

use countersign_store::{ForeignDatabase, ForeignError, PostgresLimits};

use crate::config::DatabaseLocation;
use crate::failure::Failure;

/// Opens what `--from` names, for reading.
///
/// # Errors
/// A [`Failure`] that does not repeat the URL: it may hold a password.
pub(super) async fn open(from: &str) -> Result<ForeignDatabase, Failure> {
    let location =
        DatabaseLocation::read("--from", &without_driver(from), PostgresLimits::default())?;
    match location {
        DatabaseLocation::File(path) if !path.is_file() => {
            Err(Failure::usage(format_args!("--from: there is no file {}", path.display())))
        }
        DatabaseLocation::File(path) => ForeignDatabase::open_sqlite(&path).await.map_err(failure),
        DatabaseLocation::Postgres(url, limits) => {
            ForeignDatabase::open_postgres(&url, limits.connect_timeout).await.map_err(failure)
        }
        // A URL names another place.
        DatabaseLocation::DataDirectory => Err(Failure::usage("--from names no database")),
    }
}

/// What a database that cannot be read says.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn failure(error: ForeignError) -> Failure {
    Failure::usage(format_args!("--from: {error}"))
}

/// The settings of Python programs name a driver too: `postgresql+asyncpg://`.
fn without_driver(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            format!("{}://{rest}", scheme.split('+').next().unwrap_or(scheme))
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_driver;

    #[test]
    fn a_driver_is_left_out() {
        for (given, url) in [
            ("postgresql+asyncpg://u:p+w@h/d", "postgresql://u:p+w@h/d"),
            ("postgres://u:p@h/d", "postgres://u:p@h/d"),
            ("sqlite+aiosqlite:////srv/a.db", "sqlite:////srv/a.db"),
            ("sqlite:/srv/a.db", "sqlite:/srv/a.db"),
        ] {
            assert_eq!(without_driver(given), url);
        }
    }
}
