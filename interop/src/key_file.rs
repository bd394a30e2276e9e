//! Key files as OpenSSL writes them, in each format that the original reads.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use crate::environment::tool;
use crate::process::capture;

/// What encrypted files are encrypted with.
pub const PASSPHRASE: &str = "correct horse battery staple";

/// A type of key and a format of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFormat {
    /// What the case is called.
    pub name: &'static str,
    /// The arguments of `openssl genpkey`.
    generate: &'static [&'static str],
    /// The arguments of the OpenSSL command that writes the file.
    write: &'static [&'static str],
    /// Whether the file is encrypted with [`PASSPHRASE`].
    pub encrypted: bool,
}

const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const ED25519: &[&str] = &["-algorithm", "ED25519"];

impl KeyFormat {
    /// Every format that both sides read.
    pub const ALL: [Self; 7] = [
        Self::plain("rsa-pkcs8", RSA, &["pkcs8", "-topk8", "-nocrypt"]),
        Self::plain("rsa-pkcs1", RSA, &["rsa", "-traditional"]),
        Self::encrypted("rsa-pkcs8-encrypted", RSA, &["pkcs8", "-topk8", "-v2", "aes-256-cbc"]),
        Self::encrypted("rsa-pkcs1-aes", RSA, &["rsa", "-traditional", "-aes256"]),
        Self::encrypted("rsa-pkcs1-3des", RSA, &["rsa", "-traditional", "-des3"]),
        Self::plain("ed25519-pkcs8", ED25519, &["pkcs8", "-topk8", "-nocrypt"]),
        Self::encrypted(
            "ed25519-pkcs8-encrypted",
            ED25519,
            &["pkcs8", "-topk8", "-v2", "aes-128-cbc"],
        ),
    ];

    const fn plain(
        name: &'static str,
        generate: &'static [&'static str],
        write: &'static [&'static str],
    ) -> Self {
        Self { name, generate, write, encrypted: false }
    }

    const fn encrypted(
        name: &'static str,
        generate: &'static [&'static str],
        write: &'static [&'static str],
    ) -> Self {
        Self { name, generate, write, encrypted: true }
    }

    /// Whether it holds an RSA key.
    pub fn is_rsa(self) -> bool {
        self.generate == RSA
    }
}

/// A key pair in two files.
#[derive(Debug)]
pub struct KeyFiles {
    directory: TempDir,
    encrypted: bool,
}

impl KeyFiles {
    /// Makes a new key pair with OpenSSL.
    ///
    /// # Errors
    /// If OpenSSL fails.
    pub fn make(format: KeyFormat) -> Result<Self> {
        let files = Self { directory: TempDir::new()?, encrypted: format.encrypted };
        let plain = files.path("plain.pem");
        openssl("genpkey", |command| command.args(format.generate).arg("-out").arg(&plain))?;
        openssl("pkey", |command| {
            command.arg("-in").arg(&plain).args(["-pubout", "-out"]).arg(files.public_key())
        })?;
        openssl(format.write[0], |command| {
            command.args(&format.write[1..]).arg("-in").arg(&plain);
            if format.encrypted {
                command.args(["-passout", &format!("pass:{PASSPHRASE}")]);
            }
            command.arg("-out").arg(files.private_key())
        })?;
        std::fs::write(files.path("passphrase"), PASSPHRASE)?;
        Ok(files)
    }

    /// The file with the private key, in its format.
    pub fn private_key(&self) -> PathBuf {
        self.path("key")
    }

    /// The file with the public key (SPKI PEM).
    pub fn public_key(&self) -> PathBuf {
        self.path("key.pub")
    }

    /// The arguments that `interop/python/sign.py` takes for this key.
    pub fn for_python(&self, how: &str) -> Vec<String> {
        let passphrase = self.encrypted.then(|| PASSPHRASE.to_owned());
        let key = [how.to_owned(), text(&self.private_key())];
        key.into_iter().chain(passphrase).collect()
    }

    /// The arguments that commands of our binary take for this key.
    pub fn for_countersign(&self) -> Vec<String> {
        let mut arguments = vec!["--key".to_owned(), text(&self.private_key())];
        if self.encrypted {
            arguments.extend(["--passphrase-file".to_owned(), text(&self.path("passphrase"))]);
        }
        arguments
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

fn openssl(subcommand: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) -> Result<()> {
    let mut command = Command::new(tool("COUNTERSIGN_TEST_OPENSSL")?);
    command.arg(subcommand);
    capture(arguments(&mut command))?;
    Ok(())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
