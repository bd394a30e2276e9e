//! The operator's conversation with a server's administration API.
//!
//! On the server's own machine everything is found in the data directory;
//! elsewhere `--server`, `--as` and `--identity` say it.

#![expect(clippy::doc_markdown, reason = "the doc comments of options are help texts")]

mod api;
mod pinned;
mod readiness;
mod told;

pub(crate) use api::AdminApi;
pub(crate) use readiness::readiness;
pub(crate) use told::Told;

use std::path::{Path, PathBuf};

use clap::Args;
use countersign_core::AccountName;
use url::Url;

use crate::data_directory::{self, Paths, ServerFile};
use crate::failure::Failure;
use crate::passphrase::PassphraseArgs;

/// Which server, and as whom: options of every administrating command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub(crate) struct OperatorArgs {
    /// The data directory of a server on this machine. [default: /var/lib/countersign as root, else $XDG_DATA_HOME/countersign]
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// The internal listener of a server elsewhere, for example `https://auth.example:8081`.
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_SERVER", value_parser = server_url)]
    server: Option<Url>,

    /// The account to administrate as. [default: admin]
    #[arg(long = "as", value_name = "NAME", env = "COUNTERSIGN_AS")]
    operator: Option<AccountName>,

    /// That account's private key. [default: admin.key in the data directory]
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_IDENTITY")]
    identity: Option<PathBuf>,

    /// A certificate (PEM) to trust for --server, besides the system's.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CA_CERT")]
    ca_cert: Option<PathBuf>,

    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Where the server is and how to know it.
struct Target {
    url: Url,
    /// Its id, if a file we trust says so; asked for otherwise.
    instance_id: Option<String>,
    trust: Trust,
}

/// What makes a TLS server the right one.
enum Trust {
    /// The system's authorities, and perhaps one more certificate.
    Authorities(Option<PathBuf>),
    /// It shows the certificate in this file.
    Pinned(PathBuf),
    /// Nothing: it speaks no TLS, and machines without authorities are fine.
    NotNeeded,
}

/// `localhost:8081` is a URL too, of the scheme `localhost`.
pub(crate) fn server_url(text: &str) -> Result<Url, String> {
    let url: Url =
        text.parse().map_err(|error| format!("{error}, expected http(s)://HOST:PORT"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("expected http(s)://HOST:PORT".to_owned()),
    }
}

impl OperatorArgs {
    /// Finds the server and makes ready to sign for it.
    ///
    /// # Errors
    /// A [`Failure`] that says which file or option is missing.
    pub(crate) async fn connect(&self) -> Result<AdminApi, Failure> {
        let identity = self.identity()?;
        let key = crate::key_file::read_private(&identity, &self.passphrase)?;
        let name = match &self.operator {
            Some(name) => name.clone(),
            None => AccountName::new("admin").map_err(Failure::usage)?,
        };
        AdminApi::connect(self.target()?, name, key).await
    }

    fn paths(&self) -> Result<Paths, Failure> {
        paths(self.data_dir.as_deref())
    }

    fn identity(&self) -> Result<PathBuf, Failure> {
        if let Some(file) = &self.identity {
            return Ok(file.clone());
        }
        let file = self.paths()?.admin_key();
        if file.exists() {
            return Ok(file);
        }
        Err(Failure::usage(format_args!(
            "there is no {}: run this where the server's data is (perhaps as its user, or with --data-dir), or give --server URL --as NAME --identity FILE",
            file.display()
        )))
    }

    fn target(&self) -> Result<Target, Failure> {
        match &self.server {
            Some(url) => Ok(Target::elsewhere(url, self.ca_cert.as_deref())),
            None => Target::on_this_machine(&self.paths()?, "--server URL"),
        }
    }
}

impl Target {
    /// The server at a URL.
    fn elsewhere(url: &Url, ca_cert: Option<&Path>) -> Self {
        let trust = match url.scheme() {
            "http" => Trust::NotNeeded,
            _ => Trust::Authorities(ca_cert.map(Path::to_owned)),
        };
        Self { url: url.clone(), instance_id: None, trust }
    }

    /// The internal listener of the server that runs on a data directory; `otherwise` is
    /// how the command at hand is told of another one.
    fn on_this_machine(paths: &Paths, otherwise: &str) -> Result<Self, Failure> {
        let server = ServerFile::read(&paths.server_file())?.ok_or_else(|| {
            Failure::unreachable(format_args!(
                "no server runs on {}: start one with `countersign serve`, or give {otherwise}",
                paths.directory.display()
            ))
        })?;
        let url = server.internal.parse().map_err(|error| {
            Failure::usage(format_args!("{}: {error}", paths.server_file().display()))
        })?;
        let trust = server.tls_cert.map_or(Trust::NotNeeded, Trust::Pinned);
        Ok(Self { url, instance_id: Some(server.instance_id), trust })
    }
}

fn paths(data_dir: Option<&Path>) -> Result<Paths, Failure> {
    let directory = data_dir.map_or_else(data_directory::default_path, |it| Ok(it.to_owned()))?;
    Ok(Paths::new(directory))
}
