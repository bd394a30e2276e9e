//! Which installation: options of commands that work on its database while its server
//! is stopped.

#![expect(clippy::doc_markdown, reason = "the doc comments of options are help texts")]

use std::path::PathBuf;

use clap::Args;

use super::{ServeOptions, Settings, Span};
use crate::failure::Failure;

/// The options of `serve` that say where everything is, with their variables. What else
/// a settings file says counts as it does for `serve`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Installation")]
pub(crate) struct InstallationArgs {
    /// The server's settings file (TOML); paths in it are relative to it.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,

    /// The server's data directory. [default: /var/lib/countersign as root, else $XDG_DATA_HOME/countersign]
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA_DIR")]
    data_dir: Option<PathBuf>,

    /// The server's database, if it is not the file in the data directory.
    #[arg(long, value_name = "URL", hide_env_values = true, env = "COUNTERSIGN_DATABASE_URL")]
    database_url: Option<String>,

    /// The key that seals secrets in the database. [default: the one in the data directory]
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_ENCRYPTION_KEY_FILE")]
    encryption_key_file: Option<PathBuf>,

    /// How long a refresh token is good that has no end. [default: 60d]
    #[arg(long, value_name = "SPAN", env = "COUNTERSIGN_REFRESH_TOKEN_LIFETIME")]
    refresh_token_lifetime: Option<Span>,

    /// Allow accounts' JWKS over plain http and from private networks. For tests.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    #[arg(env = "COUNTERSIGN_DANGEROUS_ALLOW_INSECURE_JWKS")]
    dangerous_allow_insecure_jwks: Option<bool>,
}

impl InstallationArgs {
    /// The settings as `serve` would have them.
    ///
    /// # Errors
    /// As [`settings`](fn@super::settings).
    pub(crate) fn settings(self) -> Result<Settings, Failure> {
        let given = ServeOptions {
            data_dir: self.data_dir,
            database_url: self.database_url,
            encryption_key_file: self.encryption_key_file,
            refresh_token_lifetime: self.refresh_token_lifetime,
            dangerous_allow_insecure_jwks: self.dangerous_allow_insecure_jwks,
            ..ServeOptions::default()
        };
        super::settings(given, self.config.as_deref())
    }
}
