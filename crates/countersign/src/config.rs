//! The settings of `serve`: command line before `COUNTERSIGN_*` before the
//! settings file before the defaults.

mod audiences;
mod compat;
mod dead;
mod examination;
mod file;
mod installation;
mod options;
mod otlp;
mod rate_limits;
mod replay;
mod settings;
mod values;

pub(crate) use compat::{Compat, Original, OriginalKeys};
pub(crate) use examination::examine;
pub(crate) use installation::InstallationArgs;
pub(crate) use options::ServeOptions;
pub(crate) use otlp::OtlpEndpoint;
pub(crate) use replay::{GuardChoice, RedisSettings};
pub(crate) use settings::{DatabaseLocation, Limits, Settings, TlsFiles, TokenOptions};
pub(crate) use values::{LogFormat, LogLevel, Registration, Span, Synchronous};

use std::path::Path;

use crate::failure::Failure;

/// Joins what the command line and the environment say (clap puts the former
/// first) with the settings file and the defaults.
///
/// # Errors
/// A [`Failure`] that names the file, the line and the key, or the setting.
pub(crate) fn settings(
    given: ServeOptions,
    settings_file: Option<&Path>,
) -> Result<Settings, Failure> {
    let in_file = match settings_file {
        Some(path) => file::read(path)?,
        None => ServeOptions::default(),
    };
    let given = given.or(in_file);
    match given.compat {
        None => Settings::resolve(given, Original::default()),
        Some(Compat::Jwthenticator) => {
            let (options, original) = compat::jwthenticator(&|name| std::env::var(name).ok())?;
            Settings::resolve(given.or(options), original)
        }
    }
}
