//! A caller of ours: a key pair and an account's name.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use countersign_core::{AccountName, Clock, KeyKind, PrivateKey, RequestSigner, UnixTime};
use countersign_system::{SystemClock, SystemRandom};
use tempfile::TempDir;

struct AnHourAgo;

impl Clock for AnHourAgo {
    fn now(&self) -> UnixTime {
        SystemClock.now() - Duration::from_hours(1)
    }
}

/// Signs with a new key; the public half lies in a file.
#[derive(Debug)]
pub struct Caller {
    signer: RequestSigner,
    public_key: PathBuf,
    fingerprint: String,
    _directory: TempDir,
}

impl Caller {
    /// A caller that says it is `account`.
    ///
    /// # Errors
    /// If that is no name for an account.
    pub fn new(account: &str, kind: KeyKind) -> Result<Self> {
        let directory = TempDir::new()?;
        let key = PrivateKey::generate(kind)?;
        let public_key = directory.path().join("key.pub");
        fs::write(&public_key, key.public_key().to_spki_pem())?;
        let fingerprint = key.public_key().fingerprints().openssh();
        let signer = RequestSigner::new(AccountName::new(account)?, key);
        Ok(Self { signer, public_key, fingerprint, _directory: directory })
    }

    /// The name it gives.
    pub fn account(&self) -> &str {
        self.signer.account().as_str()
    }

    /// The file with its public key.
    pub fn public_key(&self) -> &Path {
        &self.public_key
    }

    /// The fingerprint of its key, as OpenSSH writes it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// An `Authorization` value that was made an hour ago.
    ///
    /// # Errors
    /// If the key does not sign.
    pub fn old_authorization(&self) -> Result<String> {
        Ok(self.signer.authorization(&AnHourAgo, &SystemRandom)?)
    }

    /// A fresh `Authorization` value, good for one request.
    ///
    /// # Errors
    /// If the key does not sign.
    pub fn authorization(&self) -> Result<String> {
        Ok(self.signer.authorization(&SystemClock, &SystemRandom)?)
    }
}
