//! A settings file as somebody sees it who looks for what is wrong.

use std::path::{Path, PathBuf};

use super::{ServeOptions, dead, file};
use crate::failure::Failure;

/// What a settings file says.
pub(crate) struct Examination {
    /// Settings that change nothing, and why.
    pub(crate) dead: Vec<(&'static str, &'static str)>,
    /// The setting and the path of each file that holds a secret.
    pub(crate) secret_files: Vec<(&'static str, PathBuf)>,
    /// The setting that has a password in the file itself.
    pub(crate) password_in: Option<&'static str>,
}

/// Looks at a file. Without its variables, which only the server has, it need not be
/// complete.
///
/// # Errors
/// A [`Failure`] that names the line and the setting that cannot be read.
pub(crate) fn examine(path: &Path) -> Result<Examination, Failure> {
    let options = file::read(path)?;
    let ServeOptions { tls_key, encryption_key_file, redis_url_file, .. } = &options;
    let secret_files = [
        ("tls_key", tls_key),
        ("encryption_key_file", encryption_key_file),
        ("redis_url_file", redis_url_file),
    ];
    let secret_files = secret_files.into_iter().filter_map(|(setting, path)| {
        let path = path.as_ref()?;
        Some((setting, path.clone()))
    });
    let urls = [("database_url", &options.database_url), ("redis_url", &options.redis_url)];
    let has_password = |url: &str| {
        let sign_in = url.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
        sign_in.is_some_and(|(sign_in, _)| sign_in.contains(':'))
    };
    Ok(Examination {
        dead: dead::find(&options),
        secret_files: secret_files.collect(),
        password_in: urls
            .iter()
            .find(|(_, url)| url.as_deref().is_some_and(has_password))
            .map(|(setting, _)| *setting),
    })
}
