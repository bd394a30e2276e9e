//! The binary on databases of earlier versions: the kept schema of each, filled by the kept
//! statements of that version. What was a credential is one, what was revoked stays so.

#[path = "earlier_versions/filling.rs"]
mod filling;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use countersign_core::{AccountName, RequestSigner};
use countersign_system::{SystemClock, SystemRandom};
use countersign_testbed::fresh_database;
use interop::{Countersign, Request, repository};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tempfile::TempDir;

use filling::{Dialect, Filled, Statements};

/// The versions that are kept, each with its directory.
fn versions() -> Result<Vec<i64>> {
    let kept = fs::read_dir(repository().join("crates/countersign-store/schemas"))?;
    let mut versions = Vec::new();
    for entry in kept {
        let name = entry?.file_name();
        versions.push(name.to_str().context("a name")?.parse()?);
    }
    versions.sort_unstable();
    ensure!(versions.len() >= 3, "{versions:?}");
    Ok(versions)
}

fn kept(version: i64, file: &str) -> Result<String> {
    let file = repository().join(format!("crates/countersign-store/schemas/{version}/{file}"));
    fs::read_to_string(&file).with_context(|| file.display().to_string())
}

/// What stays of an earlier server's data directory when the database is elsewhere.
fn leave_behind(data: &Path, filled: &Filled) -> Result<()> {
    let secret = |name: &str, content: &str| {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(data.join(name))?;
        file.write_all(content.as_bytes())
    };
    secret("encryption.key", &filled.encryption_key.to_base64())?;
    secret("admin.key", &filled.admin.to_pkcs8_pem(None, &SystemRandom)?)?;
    Ok(())
}

fn data_directory() -> Result<TempDir> {
    let directory = TempDir::new()?;
    DirBuilder::new().mode(0o700).create(directory.path().join("data"))?;
    Ok(directory)
}

#[tokio::test]
async fn todays_binary_takes_over_the_sqlite_files_of_earlier_versions() -> Result<()> {
    for version in versions()? {
        let directory = data_directory()?;
        let data = directory.path().join("data");
        let options = SqliteConnectOptions::new().filename(data.join("countersign.db"));
        let mut connection = options.create_if_missing(true).connect().await?;
        let dump = kept(version, "sqlite.sql")?;
        sqlx::raw_sql(AssertSqlSafe(dump)).execute(&mut connection).await?;
        let statements = Statements::read(&kept(version, "statements.sqlite.sql")?);
        let filled = Filled::by(&statements, Dialect::Sqlite(&mut connection)).await?;
        connection.close().await?;
        leave_behind(&data, &filled)?;
        let server = Countersign::start_on(directory, &[]).await?;
        judge(server, &filled).await.with_context(|| format!("version {version}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn todays_binary_takes_over_the_postgres_databases_of_earlier_versions() -> Result<()> {
    for version in versions()? {
        let database = fresh_database().await?;
        let mut connection = PgConnection::connect(database.url()).await?;
        let dump = kept(version, "postgres.sql")?;
        sqlx::raw_sql(AssertSqlSafe(dump)).execute(&mut connection).await?;
        // The dump has set where names are looked up.
        let mut connection = PgConnection::connect(database.url()).await?;
        let statements = Statements::read(&kept(version, "statements.postgres.sql")?);
        let filled = Filled::by(&statements, Dialect::Postgres(&mut connection)).await?;
        let directory = data_directory()?;
        leave_behind(&directory.path().join("data"), &filled)?;
        let url = format!("--database-url={}", database.url());
        let server = Countersign::start_on(directory, &[&url]).await?;
        judge(server, &filled).await.with_context(|| format!("version {version}"))?;
    }
    Ok(())
}

/// Asks for everything that was there, at the first start and at the next.
async fn judge(mut server: Countersign, filled: &Filled) -> Result<()> {
    credentials_count(&server, filled).await?;
    server.restart().await?;
    credentials_count(&server, filled).await?;

    // And administrators can go on.
    server.run(&["account", "enable", "disabled"])?;
    let signer = RequestSigner::new(AccountName::new("disabled")?, filled.good.clone());
    let asked = server.asks(&signer.authorization(&SystemClock, &SystemRandom)?).await?;
    ensure!(asked == (200, "disabled".to_owned()), "{asked:?}");
    server.run(&["signing-key", "rotate", "--now"])?;
    let asked = server.asks(&format!("Bearer {}", filled.access_token)).await?;
    ensure!(asked.0 == 401, "its key was given up: {asked:?}");
    Ok(())
}

async fn credentials_count(server: &Countersign, filled: &Filled) -> Result<()> {
    for (account, key, status) in [
        ("robot", &filled.good, 200),
        ("robot", &filled.revoked, 401),
        ("disabled", &filled.good, 401),
        ("nobody", &filled.good, 401),
    ] {
        let signer = RequestSigner::new(AccountName::new(account)?, key.clone());
        let asked = server.asks(&signer.authorization(&SystemClock, &SystemRandom)?).await?;
        ensure!(asked.0 == status, "a key of {account}: {asked:?}, not {status}");
    }
    for (what, credential, status) in [
        ("API key", filled.api_key.reveal(), 200),
        ("revoked API key", filled.revoked_api_key.reveal(), 401),
        ("access token", &filled.access_token, 200),
        ("revoked access token", &filled.revoked_access_token, 401),
    ] {
        let asked = server.asks(&format!("Bearer {credential}")).await?;
        ensure!(asked.0 == status, "{what}: {asked:?}, not {status}");
    }
    let identifier = filled.robot.0.to_string();
    for (key, status) in [(&filled.api_key, 200), (&filled.revoked_api_key, 401)] {
        let body = json!({"key": key.reveal(), "identifier": identifier}).to_string();
        let bought = Request::post("/authenticate", &body).send(server.url()).await?;
        ensure!(bought.status == status, "{bought:?}, not {status}");
        if status == 200 {
            let bought: Value = serde_json::from_str(&bought.body)?;
            let token = bought["jwt"].as_str().context("a token")?;
            ensure!(filled.signed_by_the_active_key(token), "another key signs: {token}");
        }
    }
    for token in &filled.refresh_tokens {
        let body = json!({"refresh_token": token.reveal(), "identifier": identifier}).to_string();
        let refreshed = Request::post("/refresh", &body).send(server.url()).await?;
        ensure!(refreshed.status == 200, "{refreshed:?}");
    }
    let shown = server.run(&["account", "show", "robot", "-o", "json"])?;
    let shown: Value = serde_json::from_str(&shown)?;
    ensure!(shown["groups"] == json!(["billing"]), "{shown}");
    ensure!(server.run(&["audit", "list"])?.contains("olga"), "what was done before is told");
    Ok(())
}
