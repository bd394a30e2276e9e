//! `countersign admin recover`: a new administrator's key, made where the data is.
//!
//! Whoever may write the data directory may decide who administrates, so no
//! credential is asked for. The server must be stopped: it keeps accounts in
//! memory and would not see the change.

#![expect(clippy::doc_markdown, reason = "the doc comments of options are help texts")]

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_core::ports::{Act, AdminStore as _, Clock as _, NewAccount, NewPublicKey};
use countersign_core::{ADMIN_GROUP, AccountName, GroupName, KeyKind, PrivateKey};
use countersign_store::{Durability, RegistryStore as _, SqlStore, SqliteFile};
use countersign_system::{SystemClock, SystemRandom, random_account_id};
use serde::Serialize;

use crate::commands::block_on;
use crate::data_directory::{self, DataDirectory, Paths};
use crate::failure::Failure;
use crate::files;
use crate::key_file;
use crate::output::{Output, properties};

const AFTER_HELP: &str = "\
Example:
  systemctl stop countersign
  runuser -u countersign -- countersign admin recover --data-dir /var/lib/countersign
  systemctl start countersign
  countersign account list

Other keys of the account stay as they are: revoke those that were lost or stolen.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RecoverArgs {
    /// The account to make, or to enable and put into the group admin.
    #[arg(long, value_name = "NAME", default_value = "admin")]
    name: AccountName,

    /// The server's data directory. [default: /var/lib/countersign as root, else $XDG_DATA_HOME/countersign]
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Serialize)]
struct Recovered {
    account: AccountName,
    id: String,
    identity: PathBuf,
    fingerprint: String,
    former_identity: Option<PathBuf>,
}

pub(crate) fn run(args: &RecoverArgs, output: Output) -> Result<(), Failure> {
    let directory = args.data_dir.clone().map_or_else(data_directory::default_path, Ok)?;
    let directory = DataDirectory::open_existing(&directory)?;
    let recovered = block_on(recover(&args.name, &directory.paths))?;
    output.show(&recovered, |recovered| {
        let mut rows = vec![
            ("account", format!("{} ({})", recovered.account, recovered.id)),
            ("private key", recovered.identity.display().to_string()),
            ("fingerprint", recovered.fingerprint.clone()),
        ];
        if let Some(former) = &recovered.former_identity {
            rows.push(("former key", format!("{} (kept)", former.display())));
        }
        let start = "\nStart the server. Commands on this machine use the new key by themselves";
        let name = &recovered.account;
        let hint = match name.as_str() {
            "admin" => format!("{start}."),
            _ => format!("{start} with `--as {name}`."),
        };
        format!("{}\n{hint}", properties(rows))
    })
}

/// The new key waits under a name of its own until the store knows it: whatever
/// ends this in between leaves the former key in its place.
async fn recover(name: &AccountName, paths: &Paths) -> Result<Recovered, Failure> {
    let database = paths.database();
    if !database.exists() {
        return Err(Failure::usage(format_args!(
            "there is no {}: nothing to recover, a first `countersign serve` makes an administrator by itself",
            database.display()
        )));
    }
    let database = SqliteFile::open(&database, Durability::PowerLoss)
        .await
        .map_err(|error| Failure::usage(format_args!("{}: {error}", database.display())))?;
    let store = SqlStore::new(database.clone());
    let id = random_account_id(&SystemRandom);
    let exists = store.account(name).await.map_err(Failure::refused)?.is_some();
    if let (false, Err(error)) = (exists, name.check_owner(id)) {
        return Err(Failure::usage(format_args!("--name {name}: {error}")));
    }

    let key = PrivateKey::generate(KeyKind::Ed25519).map_err(Failure::refused)?;
    let identity = paths.admin_key();
    let waiting = identity.with_extension("key.new");
    let pem = key_file::private_pem(&key, None)?;
    files::replace(&waiting, 0o600, pem.as_bytes())
        .map_err(|error| Failure::file(&waiting, "write", &error))?;
    let act = Act { actor: "admin-recover".to_owned(), at: SystemClock.now(), from: None };
    let new_key = NewPublicKey {
        key: key.public_key().clone(),
        comment: "made by admin recover".to_owned(),
        expires_at: None,
    };
    let account = NewAccount {
        id,
        name: name.clone(),
        groups: vec![GroupName::new(ADMIN_GROUP).map_err(Failure::refused)?],
    };
    let account = store.recover_admin(&act, account, new_key).await.map_err(Failure::refused)?;
    database.close().await;
    let former_identity = put_in_place(&waiting, &identity)
        .and_then(|former| data_directory::sync(&paths.directory).map(|()| former))
        .map_err(|error| Failure::file(&identity, "write", &error))?;
    Ok(Recovered {
        account: account.name,
        id: account.id.to_string(),
        identity,
        fingerprint: key.public_key().fingerprints().openssh(),
        former_identity,
    })
}

/// Gives the new key file its name; the former one keeps its content under
/// another.
fn put_in_place(waiting: &Path, identity: &Path) -> io::Result<Option<PathBuf>> {
    let mut former = None;
    if identity.exists() {
        // A link, unlike a new name, takes no other file's place.
        let now = SystemClock.now().as_micros();
        let name = identity.with_extension(format!("key.before-{now}"));
        std::fs::hard_link(identity, &name)?;
        former = Some(name);
    }
    std::fs::rename(waiting, identity)?;
    Ok(former)
}
