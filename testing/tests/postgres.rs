//! The testbed itself: what its promises to other tests are.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Result;
use countersign_testbed::{Database, Durability, Postgres, fresh_database};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

/// The first column of the first row.
async fn asks(connection: &mut PgConnection, query: &str) -> Result<String> {
    Ok(connection.fetch_one(AssertSqlSafe(query.to_owned())).await?.try_get(0)?)
}

async fn connect(database: &Database) -> Result<PgConnection> {
    Ok(PgConnection::connect(database.url()).await?)
}

const TABLES: &str =
    "SELECT count(*)::text FROM information_schema.tables WHERE table_schema = 'public'";

#[tokio::test]
async fn fresh_databases_are_empty_and_separate() -> Result<()> {
    let (first, second) = (fresh_database().await?, fresh_database().await?);
    let (mut one, mut two) = (connect(&first).await?, connect(&second).await?);
    assert_eq!(asks(&mut one, TABLES).await?, "0");
    one.execute("CREATE TABLE keys (id bigint)").await?;
    assert_eq!(asks(&mut one, TABLES).await?, "1");
    assert_eq!(asks(&mut two, TABLES).await?, "0");

    // Nor may the user of one look into the other.
    let (user, _) = first.url().rsplit_once('/').unwrap_or_default();
    let (_, other) = second.url().rsplit_once('/').unwrap_or_default();
    assert!(PgConnection::connect(&format!("{user}/{other}")).await.is_err());
    Ok(())
}

#[tokio::test]
async fn their_users_are_no_superusers() -> Result<()> {
    let mut connection = connect(&fresh_database().await?).await?;
    assert_eq!(asks(&mut connection, "SHOW is_superuser").await?, "off");
    assert!(connection.execute("CREATE ROLE another").await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_refused() -> Result<()> {
    let database = fresh_database().await?;
    let wrong = database.url().replace('@', "x@");
    let error = PgConnection::connect(&wrong).await.expect_err("a wrong password");
    assert!(error.to_string().contains("password authentication failed"), "{error}");
    Ok(())
}

#[tokio::test]
async fn the_certificate_holds_for_its_authority_and_no_other() -> Result<()> {
    let database = fresh_database().await?;
    let mut connection = PgConnection::connect(&database.url_with_tls()).await?;
    let encrypted = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(asks(&mut connection, encrypted).await?, "true");

    // Without `sslrootcert` the public authorities are asked.
    let others = format!("{}?sslmode=verify-full", database.url());
    let error = PgConnection::connect(&others).await.expect_err("an unknown authority");
    assert!(error.to_string().contains("certificate"), "{error}");

    let mut plain = PgConnection::connect(&format!("{}?sslmode=disable", database.url())).await?;
    assert_eq!(asks(&mut plain, encrypted).await?, "false");
    Ok(())
}

#[tokio::test]
async fn a_cluster_of_its_own_is_stopped_and_started_with_its_data() -> Result<()> {
    let mut cluster = Postgres::of_its_own(Durability::Relaxed)?;
    let database = cluster.fresh_database().await?;
    let mut connection = connect(&database).await?;
    connection.execute("CREATE TABLE kept AS SELECT 'still here' AS what").await?;

    cluster.stop()?;
    assert!(connection.execute("SELECT 1").await.is_err());
    assert!(connect(&database).await.is_err());
    assert!(cluster.stop().is_err());

    cluster.start_again()?;
    let mut connection = connect(&database).await?;
    assert_eq!(asks(&mut connection, "SELECT what FROM kept").await?, "still here");
    assert!(cluster.start_again().is_err());
    Ok(())
}

#[tokio::test]
async fn one_that_was_killed_is_back_when_it_says_so() -> Result<()> {
    let mut cluster = Postgres::of_its_own(Durability::Relaxed)?;
    let database = cluster.fresh_database().await?;
    for _ in 0..3 {
        // Processes that take a while to end.
        let mut connected = Vec::new();
        for _ in 0..20 {
            connected.push(connect(&database).await?);
        }
        cluster.kill()?;
        cluster.start_again()?;
        connect(&database).await?;
    }
    cluster.kill()?;
    let somebody_else = TcpListener::bind(database.address())?;
    assert!(cluster.start_again().is_err(), "another is at its port");
    drop(somebody_else);
    cluster.start_again()?;
    connect(&database).await?;
    Ok(())
}

#[tokio::test]
async fn a_standby_follows_and_takes_over() -> Result<()> {
    let mut primary = Postgres::of_its_own(Durability::Relaxed)?;
    let standby = primary.standby()?;
    let mut writing = PgConnection::connect(&primary.url()?).await?;
    writing.execute("CREATE TABLE kept AS SELECT 'here too' AS what").await?;

    let mut reading = PgConnection::connect(&standby.url()?).await?;
    let arrived = "SELECT (to_regclass('kept') IS NOT NULL)::text";
    let following = async {
        while asks(&mut reading, arrived).await? != "true" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_mins(1), following).await??;
    assert!(reading.execute("CREATE TABLE another ()").await.is_err());
    primary.kill()?;
    reading.execute("SELECT pg_promote()").await?;
    reading.execute("CREATE TABLE another ()").await?;
    assert_eq!(asks(&mut reading, "SELECT what FROM kept").await?, "here too");
    Ok(())
}

#[tokio::test]
async fn durability_is_what_was_asked_for() -> Result<()> {
    let shared = fresh_database().await?;
    let full = Postgres::of_its_own(Durability::Full)?;
    for (database, expected) in [(shared, "off"), (full.fresh_database().await?, "on")] {
        let mut connection = connect(&database).await?;
        assert_eq!(asks(&mut connection, "SHOW fsync").await?, expected);
        assert_eq!(asks(&mut connection, "SHOW full_page_writes").await?, expected);
    }
    Ok(())
}
