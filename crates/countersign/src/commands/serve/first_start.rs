//! The first administrator: without one, nobody could make the second.
//!
//! The key file comes first and the account, on condition that there is none,
//! after it. Whatever ends the process in between leaves a key file that the
//! next start takes up again, never an account whose key nobody has.

use std::io;

use countersign_core::ports::{Act, Clock as _, NewAccount, NewPublicKey, Page};
use countersign_core::{ADMIN_GROUP, AccountName, GroupName, KeyKind, PrivateKey, PublicKey};
use countersign_store::{RegistryStore, SqlStore};
use countersign_system::{SystemClock, SystemRandom, random_account_id};

use crate::config::{DatabaseLocation, Settings};
use crate::data_directory::{self, Paths};
use crate::failure::Failure;
use crate::files;
use crate::key_file;
use crate::passphrase::PassphraseArgs;

/// Who administrates this server.
pub(super) enum Admin {
    /// There were accounts before this start.
    Existing,
    /// Made at this start, with the key file in the data directory.
    Made,
    /// Made at this start, with the public key in the settings.
    MadeWithGivenKey,
    /// Nobody: in a database that several share, no program makes one by itself.
    Nobody,
}

/// Makes the account `admin` if there is no account at all.
///
/// # Errors
/// A [`Failure`] if the store does not answer or the key file cannot be made.
pub(super) async fn admin(
    settings: &Settings,
    paths: &Paths,
    store: &SqlStore,
) -> Result<Admin, Failure> {
    let anyone = store.load_page(Page { after: None, limit: 1 }).await;
    if !anyone.map_err(Failure::refused)?.is_empty() {
        return Ok(Admin::Existing);
    }
    let (key, comment, made) = if let Some(text) = &settings.bootstrap_admin_public_key {
        let file = PublicKey::read(text.as_bytes())
            .map_err(|error| Failure::usage(format_args!("bootstrap_admin_public_key: {error}")))?;
        (file.key, file.comment.unwrap_or_default(), Admin::MadeWithGivenKey)
    } else if matches!(settings.database, DatabaseLocation::Postgres(..)) {
        tracing::warn!(
            "there is no administrator: give the public key of one with COUNTERSIGN_BOOTSTRAP_ADMIN_PUBLIC_KEY"
        );
        return Ok(Admin::Nobody);
    } else {
        let comment = "made at the first start".to_owned();
        (local_key(paths)?.public_key().clone(), comment, Admin::Made)
    };
    let act = Act { actor: "first-start".to_owned(), at: SystemClock.now(), from: None };
    let key = NewPublicKey { key, comment, expires_at: None };
    let bootstrapped = store.bootstrap_admin(&act, admin_account()?, key).await;
    Ok(if bootstrapped.map_err(Failure::refused)? { made } else { Admin::Existing })
}

/// The account `admin`, to be made.
fn admin_account() -> Result<NewAccount, Failure> {
    Ok(NewAccount {
        id: random_account_id(&SystemRandom),
        name: AccountName::new("admin").map_err(Failure::refused)?,
        groups: vec![GroupName::new(ADMIN_GROUP).map_err(Failure::refused)?],
    })
}

/// The key in the data directory: a new one, or the one that a start which came
/// to no end has left.
fn local_key(paths: &Paths) -> Result<PrivateKey, Failure> {
    let path = paths.admin_key();
    let key = PrivateKey::generate(KeyKind::Ed25519).map_err(Failure::refused)?;
    match write_key(&path, &key) {
        Ok(()) => {
            data_directory::sync(&paths.directory)
                .map_err(|error| Failure::file(&paths.directory, "sync", &error))?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            key_file::read_private(&path, &PassphraseArgs::default())
        }
        Err(error) => Err(Failure::file(&path, "write", &error)),
    }
}

fn write_key(path: &std::path::Path, key: &PrivateKey) -> io::Result<()> {
    let pem = key.to_pkcs8_pem(None, &SystemRandom).map_err(io::Error::other)?;
    files::create_new_whole(path, 0o600, pem.as_bytes())
}
