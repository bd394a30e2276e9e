//! A statement with its values, run on whichever database is there.
//!
//! Statements and rows are the same for SQLite and PostgreSQL; only here is it
//! decided which driver gets them.

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, Encode, FromRow, Postgres, Sqlite, Type};

use tracing::{Instrument as _, Span};

use super::statements::ByDialect;

/// The target of the spans of statements, which belong into traces and nowhere else.
pub const TRACES: &str = "countersign_store::spans";

/// A connection that a statement can run on.
pub(crate) enum Session<'c> {
    /// To a SQLite file.
    Sqlite(&'c mut SqliteConnection),
    /// To a PostgreSQL server.
    Postgres(&'c mut PgConnection),
}

/// A transaction. Dropping it takes everything back.
#[derive(Debug)]
pub(crate) enum Transaction {
    /// On a SQLite file.
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// On a PostgreSQL server.
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// A connection of one's own, on which each statement is a transaction.
#[derive(Debug)]
pub(crate) enum Connection {
    /// To a SQLite file.
    Sqlite(SqliteConnection),
    /// To a PostgreSQL server.
    Postgres(PgConnection),
}

impl Transaction {
    /// Makes everything that was done permanent.
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }

    /// Takes everything back and waits until that is done.
    pub(crate) async fn roll_back(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => transaction.rollback().await,
            Self::Postgres(transaction) => transaction.rollback().await,
        }
    }

    /// Runs statements that have no values and return no rows.
    pub(crate) async fn run_script(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => {
                sqlx::raw_sql(sql).execute(&mut **transaction).await.map(drop)
            }
            Self::Postgres(transaction) => {
                sqlx::raw_sql(sql).execute(&mut **transaction).await.map(drop)
            }
        }
    }
}

/// What statements run on.
pub(crate) trait Runs: Send {
    /// Which words the database understands.
    fn choose(&mut self, statement: &ByDialect) -> &'static str {
        match self.session() {
            Session::Sqlite(_) => statement.sqlite,
            Session::Postgres(_) => statement.postgres,
        }
    }

    /// The connection behind it.
    fn session(&mut self) -> Session<'_>;
}

impl Runs for Transaction {
    fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(transaction) => Session::Sqlite(transaction),
            Self::Postgres(transaction) => Session::Postgres(transaction),
        }
    }
}

impl Runs for Connection {
    fn session(&mut self) -> Session<'_> {
        match self {
            Self::Sqlite(connection) => Session::Sqlite(connection),
            Self::Postgres(connection) => Session::Postgres(connection),
        }
    }
}

/// A row that can be read whichever database it comes from.
pub(crate) trait EitherRow:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> EitherRow for T where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

/// A value that takes the place of a `$1` in a statement.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A text, or NULL.
    Text(Option<String>),
    /// A whole number, or NULL.
    Number(Option<i64>),
    /// Bytes, or NULL.
    Bytes(Option<Vec<u8>>),
    /// A truth value.
    Bool(bool),
}

macro_rules! values {
    ($($from:ty => |$value:ident| $into:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $into
            }
        })*
    };
}

values! {
    &str => |text| Self::Text(Some(text.to_owned()));
    String => |text| Self::Text(Some(text));
    &String => |text| Self::Text(Some(text.clone()));
    Option<String> => |text| Self::Text(text);
    i64 => |number| Self::Number(Some(number));
    Option<i64> => |number| Self::Number(number);
    &[u8] => |bytes| Self::Bytes(Some(bytes.to_vec()));
    Vec<u8> => |bytes| Self::Bytes(Some(bytes));
    Option<Vec<u8>> => |bytes| Self::Bytes(bytes);
    bool => |truth| Self::Bool(truth);
}

/// A statement and its values.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    sql: &'static str,
    values: Vec<Value>,
}

/// A statement that is to be run.
pub(crate) fn query(sql: &'static str) -> Query {
    Query { sql, values: Vec::new() }
}

/// Runs the same on whichever database is there.
macro_rules! run {
    ($query:expr, $on:expr, $with:path, |$bound:ident, $connection:ident| $run:expr) => {
        match $on.session() {
            Session::Sqlite($connection) => {
                let traced = span("sqlite", $query.sql);
                let $bound = $with($query.sql, arguments::<SqliteArguments>($query.values)?);
                async { $run }.instrument(traced).await
            }
            Session::Postgres($connection) => {
                let traced = span("postgresql", $query.sql);
                let $bound = $with($query.sql, arguments::<PgArguments>($query.values)?);
                async { $run }.instrument(traced).await
            }
        }
    };
}

/// A statement in the trace of the request that it is for. Its text has `$1` for each value.
/// What is done for nobody in particular is in no trace.
///
/// Not asked with `tracing::enabled!`: where layers have filters of their own, the answer to
/// that may count for the event that comes next, and log lines are lost.
fn span(system: &'static str, sql: &'static str) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    tracing::debug_span!(
        target: TRACES,
        "database",
        otel.kind = "client",
        db.system.name = system,
        db.query.text = sql,
    )
}

impl Query {
    /// Gives the next value.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// How many rows it changed.
    pub(crate) async fn execute(self, on: &mut impl Runs) -> Result<u64, sqlx::Error> {
        run!(self, on, sqlx::query_with, |query, connection| {
            Ok(query.execute(connection).await?.rows_affected())
        })
    }

    /// The one row, if there is one.
    pub(crate) async fn optional<T: EitherRow>(
        self,
        on: &mut impl Runs,
    ) -> Result<Option<T>, sqlx::Error> {
        run!(self, on, sqlx::query_as_with, |query, connection| {
            query.fetch_optional(connection).await
        })
    }

    /// All rows.
    pub(crate) async fn all<T: EitherRow>(self, on: &mut impl Runs) -> Result<Vec<T>, sqlx::Error> {
        run!(self, on, sqlx::query_as_with, |query, connection| query.fetch_all(connection).await)
    }

    /// Whether it returned a row: whether its condition held.
    pub(crate) async fn held(self, on: &mut impl Runs) -> Result<bool, sqlx::Error> {
        run!(self, on, sqlx::query_with, |query, connection| {
            Ok(query.fetch_optional(connection).await?.is_some())
        })
    }
}

/// The values as a driver takes them.
fn arguments<A: Arguments>(values: Vec<Value>) -> Result<A, sqlx::Error>
where
    Option<String>: for<'v> Encode<'v, A::Database> + Type<A::Database>,
    Option<i64>: for<'v> Encode<'v, A::Database> + Type<A::Database>,
    Option<Vec<u8>>: for<'v> Encode<'v, A::Database> + Type<A::Database>,
    bool: for<'v> Encode<'v, A::Database> + Type<A::Database>,
{
    let mut arguments = A::default();
    for value in values {
        let added = match value {
            Value::Text(text) => arguments.add(text),
            Value::Number(number) => arguments.add(number),
            Value::Bytes(bytes) => arguments.add(bytes),
            Value::Bool(truth) => arguments.add(truth),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
