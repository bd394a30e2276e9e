//! The key that seals secrets in the database.
//!
//! Given in the environment or in a file; else the first start makes one in the data
//! directory. That protects copies of the database alone, not of the whole directory.

use std::io;

use countersign_core::EncryptionKey;
use countersign_system::SystemRandom;
use zeroize::Zeroizing;

use crate::config::Settings;
use crate::data_directory::{self, Paths};
use crate::failure::Failure;
use crate::files;

/// The variable that holds the key itself.
const VARIABLE: &str = "COUNTERSIGN_ENCRYPTION_KEY";

/// The key that is given, or the one in the data directory, which is made if need be.
///
/// # Errors
/// A [`Failure`] that says where the key was to come from.
pub(crate) fn find(settings: &Settings, paths: &Paths) -> Result<EncryptionKey, Failure> {
    given(settings).unwrap_or_else(|| in_data_directory(paths))
}

/// The same, but nothing is made: what the store holds was sealed under a key that
/// must be somewhere.
///
/// # Errors
/// As [`find`].
pub(crate) fn find_existing(settings: &Settings, paths: &Paths) -> Result<EncryptionKey, Failure> {
    given(settings).unwrap_or_else(|| read(&paths.encryption_key()))
}

/// Whether the key is the one in the data directory, and not given from elsewhere.
pub(crate) fn is_in_data_directory(settings: &Settings) -> bool {
    settings.encryption_key_file.is_none() && std::env::var_os(VARIABLE).is_none()
}

fn given(settings: &Settings) -> Option<Result<EncryptionKey, Failure>> {
    let given = std::env::var(VARIABLE).ok().map(Zeroizing::new);
    match (given, &settings.encryption_key_file) {
        (Some(_), Some(_)) => Some(Err(Failure::usage(format_args!(
            "there are two encryption keys, in {VARIABLE} and by encryption_key_file: give one"
        )))),
        (Some(text), None) => Some(
            EncryptionKey::from_base64(&text)
                .map_err(|error| Failure::usage(format_args!("{VARIABLE}: {error}"))),
        ),
        (None, Some(path)) => Some(read(path)),
        (None, None) => None,
    }
}

/// The key in a file.
///
/// # Errors
/// A [`Failure`] that names the file and what is wrong with it.
pub(crate) fn read(path: &std::path::Path) -> Result<EncryptionKey, Failure> {
    let text = Zeroizing::new(files::read_text(path)?);
    EncryptionKey::from_base64(&text)
        .map_err(|error| Failure::usage(format_args!("{}: {error}", path.display())))
}

fn in_data_directory(paths: &Paths) -> Result<EncryptionKey, Failure> {
    let path = paths.encryption_key();
    let waiting = paths.waiting_encryption_key();
    if waiting.exists() {
        tracing::warn!(
            "{} is there: a rotation was interrupted. If {} is refused, give it that one's name",
            waiting.display(),
            path.display()
        );
    }
    let key = EncryptionKey::generate(&SystemRandom);
    let mut text = key.to_base64();
    text.push('\n');
    match files::create_new_whole(&path, 0o600, text.as_bytes()) {
        Ok(()) => {
            data_directory::sync(&paths.directory)
                .map_err(|error| Failure::file(&paths.directory, "sync", &error))?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(&path),
        Err(error) => Err(Failure::file(&path, "write", &error)),
    }
}
