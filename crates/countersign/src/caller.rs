//! The caller whose requests are signed: `--account` and `--key`.

#![expect(clippy::doc_markdown, reason = "the doc comments of options are help texts")]

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use countersign_core::{AccountName, Algorithm, DEFAULT_SCHEME, RequestSigner};

use crate::failure::Failure;
use crate::key_file;
use crate::passphrase::PassphraseArgs;

/// The keys that OpenSSH's users have, in the order they are looked for.
const DEFAULT_KEYS: [&str; 2] = [".ssh/id_rsa", ".ssh/id_ed25519"];

/// Who signs, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct CallerArgs {
    /// The account to sign for.
    #[arg(long, value_name = "NAME", env = "COUNTERSIGN_ACCOUNT")]
    account: AccountName,

    /// Its private key. [default: ~/.ssh/id_rsa, else ~/.ssh/id_ed25519]
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_KEY")]
    key: Option<PathBuf>,

    #[command(flatten)]
    passphrase: PassphraseArgs,

    /// The signature algorithm. [default: RS512, ES256, ES384 or EdDSA, after the key]
    #[arg(long, value_name = "ALG", value_parser = algorithms())]
    algorithm: Option<String>,

    /// The scheme word of the Authorization header.
    #[arg(long, value_name = "WORD", default_value = DEFAULT_SCHEME, env = "COUNTERSIGN_SCHEME")]
    scheme: String,
}

impl CallerArgs {
    /// Reads the key and makes ready to sign.
    ///
    /// # Errors
    /// A [`Failure`] that names the file and what is wrong with it.
    pub(crate) fn signer(&self) -> Result<RequestSigner, Failure> {
        let file = self.key.clone().map_or_else(default_key, Ok)?;
        let key = key_file::read_private(&file, &self.passphrase)?;
        let key_type = key.public_key().key_type();
        let signer = RequestSigner::new(self.account.clone(), key).with_scheme(&self.scheme);
        match self.algorithm.as_deref().and_then(Algorithm::from_name) {
            None => Ok(signer),
            Some(algorithm) if algorithm.key_type() == key_type => {
                Ok(signer.with_algorithm(algorithm))
            }
            Some(algorithm) => Err(Failure::usage(format_args!(
                "{} holds an {key_type} key, which cannot sign with {algorithm}",
                file.display()
            ))),
        }
    }
}

fn algorithms() -> PossibleValuesParser {
    Algorithm::ALL.map(Algorithm::name).into()
}

fn default_key() -> Result<PathBuf, Failure> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    DEFAULT_KEYS.map(|name| home.join(name)).into_iter().find(|file| file.exists()).ok_or_else(
        || {
            Failure::usage(
                "there is neither ~/.ssh/id_rsa nor ~/.ssh/id_ed25519: name the private key with --key FILE, or make one with `countersign key generate --out FILE`",
            )
        },
    )
}
