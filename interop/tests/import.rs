//! From the originals' own databases to callers that carry on: what the real programs
//! wrote is imported while they run, and their own clients go on against us.

#[path = "import/django.rs"]
mod django;
#[path = "import/jwthenticator.rs"]
mod jwthenticator;

use std::path::Path;

use anyhow::{Context as _, Result};
use interop::Countersign;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

/// How many acts of the audit trail an import did, by their names.
fn imported_acts(server: &Countersign, action: &str, operator: &[&str]) -> Result<usize> {
    let list = [&["audit", "list", "-o", "json"], operator].concat();
    let trail: Value = serde_json::from_str(&server.run(&list)?)?;
    let records = trail["records"].as_array().context("no audit trail")?;
    let by_import = |record: &&Value| record["actor"] == "import" && record["action"] == action;
    Ok(records.iter().filter(by_import).count())
}

/// Changes a SQLite file as another program would.
async fn change(file: &Path, statements: &[&str]) -> Result<()> {
    // SQLite checks foreign keys only for those who ask for it.
    let options = SqliteConnectOptions::new().filename(file).foreign_keys(false);
    let mut connection = options.connect().await?;
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(*statement)).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

fn sqlite_url(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}
