//! The caller whose requests are signed: `--account` and `--key`.

#![expect(clippy::doc_markdown, reason = "the doc comments of options are help texts")]

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use countersign_client::{KeySource, LoadKeyError, Signer};
use countersign_core::{AccountName, Algorithm, DEFAULT_SCHEME, PrivateKey};
use http::HeaderValue;

use crate::failure::Failure;
use crate::key_file;
use crate::passphrase::PassphraseArgs;

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

    /// Whom the token is for (aud): the required_audience of the region that is called.
    #[arg(long, value_name = "NAME", env = "COUNTERSIGN_AUDIENCE")]
    audience: Option<String>,
}

impl CallerArgs {
    /// Reads the key and makes ready to sign.
    ///
    /// # Errors
    /// A [`Failure`] that names the file and what is wrong with it.
    fn signer(&self) -> Result<Signer, Failure> {
        let key = match &self.key {
            Some(file) => key_file::read_private(file, &self.passphrase)?,
            None => self.default_key()?,
        };
        let key_type = key.public_key().key_type();
        let mut signer = Signer::new(self.account.clone(), key).with_scheme(&self.scheme);
        if let Some(audience) = &self.audience {
            signer = signer.with_audience(audience);
        }
        match self.algorithm.as_deref().and_then(Algorithm::from_name) {
            None => Ok(signer),
            Some(algorithm) if algorithm.key_type() == key_type => {
                Ok(signer.with_algorithm(algorithm))
            }
            Some(algorithm) => Err(Failure::usage(format_args!(
                "the key is an {key_type} key, which cannot sign with {algorithm}"
            ))),
        }
    }

    /// The header of one request.
    ///
    /// # Errors
    /// As [`signer`](Self::signer).
    pub(crate) fn authorization(&self) -> Result<HeaderValue, Failure> {
        self.signer()?.authorization_header().map_err(Failure::usage)
    }

    fn default_key(&self) -> Result<PrivateKey, Failure> {
        match KeySource::DefaultFile.load(self.passphrase.given()?.as_ref()) {
            Ok(key) => Ok(key),
            // Perhaps there is somebody to ask for the passphrase.
            Err(LoadKeyError::InFile { path, .. }) => {
                key_file::read_private(&path, &self.passphrase)
            }
            Err(error) => Err(Failure::usage(format_args!(
                "{error}: name one with --key FILE, or make one with `countersign key generate --out FILE`"
            ))),
        }
    }
}

fn algorithms() -> PossibleValuesParser {
    Algorithm::ALL.map(Algorithm::name).into()
}
