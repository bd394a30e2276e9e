//! `countersign encryption-key`: the key that seals secrets in the database.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use countersign_core::EncryptionKey;
use countersign_core::ports::{Act, Clock as _};
use countersign_server::{OpenRingError, change_encryption_key};
use countersign_store::SqlStore;
use countersign_system::{SystemClock, SystemRandom};
use serde::Serialize;

use crate::commands::block_on;
use crate::config::{InstallationArgs, Settings};
use crate::data_directory::{self, DataDirectory, Paths};
use crate::databases::open_main;
use crate::encryption_key;
use crate::failure::Failure;
use crate::files;
use crate::output::{Output, properties};

const ROTATE_EXAMPLES: &str = "\
Examples:
  systemctl stop countersign
  runuser -u countersign -- countersign encryption-key rotate --config /etc/countersign/countersign.toml
  systemctl start countersign

The former key is kept beside the new one: backups of the database that were made before
need it. A key that is given in the environment or in a file of its own is replaced by
one in a file, which the server must be given from then on:
  openssl rand -base64 32 > new.key
  countersign encryption-key rotate --new-key-file new.key";

#[derive(Subcommand, Debug)]
pub(crate) enum EncryptionKeyCommand {
    /// Seal everything under a new key. The server must be stopped.
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate(RotateArgs),
}

#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    /// The new key, 32 bytes in base64. [default: a random one, in the data directory]
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,

    #[command(flatten)]
    installation: InstallationArgs,
}

/// What was done.
#[derive(Serialize)]
struct Rotated {
    secrets: usize,
    key: PathBuf,
    former_key: Option<PathBuf>,
}

pub(crate) fn run(command: EncryptionKeyCommand, output: Output) -> Result<(), Failure> {
    let EncryptionKeyCommand::Rotate(args) = command;
    let settings = args.installation.settings()?;
    let directory = DataDirectory::open_existing(&settings.data_dir)?;
    let rotated = block_on(rotate(&settings, &directory.paths, args.new_key_file.as_deref()))?;
    output.show(&rotated, |rotated| {
        let mut rows = vec![
            ("secrets", rotated.secrets.to_string()),
            ("key", rotated.key.display().to_string()),
        ];
        if let Some(former) = &rotated.former_key {
            rows.push(("former key", format!("{} (kept)", former.display())));
        }
        properties(rows)
    })
}

async fn rotate(
    settings: &Settings,
    paths: &Paths,
    new_key_file: Option<&Path>,
) -> Result<Rotated, Failure> {
    let former = encryption_key::find_existing(settings, paths)?;
    let store = SqlStore::new(open_main(settings, paths).await?);
    let next = match new_key_file {
        Some(file) => encryption_key::read(file)?,
        None if encryption_key::is_in_data_directory(settings) => waiting_key(paths)?,
        None => {
            return Err(Failure::usage(
                "the encryption key does not come from the data directory: give the new one with --new-key-file FILE",
            ));
        }
    };
    let act = Act { actor: "encryption-key-rotate".to_owned(), at: SystemClock.now(), from: None };
    let secrets = change_encryption_key(&store, &act, (&former, &next), &SystemRandom).await;
    let secrets = secrets.map_err(|error| match error {
        OpenRingError::WrongEncryptionKey(_) => Failure::usage(error),
        other => Failure::refused(other),
    })?;
    store.database().close().await;
    if let Some(file) = new_key_file {
        return Ok(Rotated { secrets, key: file.to_owned(), former_key: None });
    }
    let key = paths.encryption_key();
    let former_key = put_in_place(paths)
        .and_then(|former| data_directory::sync(&paths.directory).map(|()| former))
        .map_err(|error| Failure::file(&key, "write", &error))?;
    Ok(Rotated { secrets, key, former_key: Some(former_key) })
}

/// A new key, which waits under a name of its own until the store knows it: whatever
/// ends this in between loses neither.
fn waiting_key(paths: &Paths) -> Result<EncryptionKey, Failure> {
    let key = EncryptionKey::generate(&SystemRandom);
    let path = paths.waiting_encryption_key();
    files::replace(&path, 0o600, format!("{}\n", *key.to_base64()).as_bytes())
        .map_err(|error| Failure::file(&path, "write", &error))?;
    data_directory::sync(&paths.directory)
        .map_err(|error| Failure::file(&paths.directory, "sync", &error))?;
    Ok(key)
}

/// Gives the new key its name; the former one keeps its content under another.
fn put_in_place(paths: &Paths) -> io::Result<PathBuf> {
    let key = paths.encryption_key();
    // A link, unlike a new name, takes no other file's place.
    let former = key.with_extension(format!("key.before-{}", SystemClock.now().as_micros()));
    std::fs::hard_link(&key, &former)?;
    std::fs::rename(paths.waiting_encryption_key(), &key)?;
    Ok(former)
}
