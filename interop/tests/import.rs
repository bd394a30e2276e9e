//! From the originals' own databases to callers that carry on: what the real programs
//! wrote is imported while they run, and their own clients go on against us.

#[path = "import/django.rs"]
mod django;
#[path = "import/jwthenticator.rs"]
mod jwthenticator;

use std::path::Path;

use anyhow::Result;
use interop::Countersign;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

/// How many acts of the audit trail an import did, by their names.
fn imported_acts(server: &Countersign, action: &str, operator: &[&str]) -> Result<usize> {
    let list = [&["audit", "list", "-o", "json"], operator].concat();
    let by_import = ["--actor", "import", "--action", action];
    Ok(server.run(&[&list[..], &by_import].concat())?.lines().count())
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
