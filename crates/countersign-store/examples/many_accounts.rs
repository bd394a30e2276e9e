//! Fills a database with accounts of one Ed25519 key each and measures how long
//! a directory takes to read them and how much memory they need.
//!
//! ```text
//! cargo run --release -p countersign-store --example many_accounts -- 1000000
//! ```

#![expect(clippy::print_stdout, reason = "the figures are the point")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use countersign_core::ports::{Directory, Page};
use countersign_core::{AccountName, KeyKind, PrivateKey, PublicKey};
use countersign_store::{Durability, LiveDirectory, RegistryStore, SqlStore, SqliteFile};
use sqlx::{Connection, SqliteConnection};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let count: u32 = std::env::args().nth(1).map_or(Ok(100_000), |count| count.parse())?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("countersign.db");
    let database = SqliteFile::open(&path, Durability::default()).await?;

    let started = Instant::now();
    fill(&path, count).await?;
    println!("{count} accounts written in {:.1?}", started.elapsed());

    let store = Arc::new(SqlStore::new(database));
    let started = Instant::now();
    let page = Page { after: None, limit: 1000 };
    let loaded = store.load_page(page).await?.len();
    println!("a page of {loaded} in {:.1?}", started.elapsed());

    let before = resident_bytes()?;
    let (started, cpu) = (Instant::now(), cpu_ticks()?);
    let live = LiveDirectory::start(store, None);
    live.completed().await;
    let cpu = (cpu_ticks()? - cpu) * 10_000 / u64::from(count);
    println!("read in {:.1?}, {cpu} microseconds of CPU per account", started.elapsed());
    let grown = resident_bytes()?.saturating_sub(before);
    println!("{} bytes of resident memory per account", grown / u64::from(count));

    let started = Instant::now();
    let mut found = 0_u32;
    for number in 0..count {
        let name = name(number.wrapping_mul(2_654_435_761) % count)?;
        found += u32::from(live.find(&name).await?.is_some());
    }
    println!("{found} of {count} found, {:.0?} each", started.elapsed() / count);
    live.close().await?;
    Ok(())
}

fn name(number: u32) -> Result<AccountName, countersign_core::NameError> {
    AccountName::new(&format!("device-{number:07}"))
}

/// Writes accounts past the store, which would make a transaction of each.
async fn fill(path: &std::path::Path, count: u32) -> Result<(), Box<dyn Error>> {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await?;
    let mut writing = connection.begin().await?;
    for number in 0..count {
        let id = u128::from(number).to_be_bytes();
        let key = PrivateKey::generate(KeyKind::Ed25519)?.public_key().clone();
        sqlx::query(
            "INSERT INTO countersign_accounts (id, name, disabled, created_at) \
             VALUES ($1, $2, FALSE, 0)",
        )
        .bind(id.as_slice())
        .bind(name(number)?.as_str())
        .execute(&mut *writing)
        .await?;
        insert_key(&mut writing, &id, &key).await?;
    }
    writing.commit().await?;
    Ok(())
}

async fn insert_key(
    connection: &mut SqliteConnection,
    account: &[u8],
    key: &PublicKey,
) -> Result<(), sqlx::Error> {
    let fingerprints = key.fingerprints();
    sqlx::query(
        "INSERT INTO countersign_public_keys (account, openssh, thumbprint, spki_pem_sha256, \
         spki, comment, created_at) VALUES ($1, $2, $3, $4, $5, '', 0)",
    )
    .bind(account)
    .bind(fingerprints.openssh())
    .bind(fingerprints.jwk_thumbprint())
    .bind(fingerprints.spki_pem_sha256())
    .bind(key.to_spki_der())
    .execute(connection)
    .await?;
    Ok(())
}

/// CPU time used by this process so far (proc(5), `stat`, in hundredths of a second).
fn cpu_ticks() -> Result<u64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().ok_or("no name")?;
    let times = after_name.split_whitespace().skip(11).take(2);
    times.map(|ticks| Ok(ticks.parse::<u64>()?)).sum()
}

/// What the kernel says about this process (proc(5), `statm`, in pages of 4 KiB).
fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1).ok_or("no second field")?.parse()?;
    Ok(pages * 4096)
}
