//! Where a caller's private key comes from.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use countersign_core::{Passphrase, PrivateKey, ReadPrivateKeyError};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// The files that are tried, in this order, where none is named.
const DEFAULT_FILES: [&str; 2] = ["~/.ssh/id_rsa", "~/.ssh/id_ed25519"];
/// No more of a file than this is read; no key is as long.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Where a private key is to be had. Its Debug output shows no key.
#[derive(Clone, Debug, Default)]
pub enum KeySource {
    /// `~/.ssh/id_rsa`, or, if there is no such file, `~/.ssh/id_ed25519`.
    #[default]
    DefaultFile,
    /// A file in any format that [`PrivateKey::read`] reads. A leading `~/` is
    /// the home directory.
    File(PathBuf),
    /// The text of such a file.
    Text(SecretString),
    /// A key that was read before.
    Key(PrivateKey),
}

/// No private key was had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadKeyError {
    /// The file is not there or may not be read.
    #[error("cannot read the private key {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What the file holds is no private key that can be used.
    #[error("the private key {}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        source: ReadPrivateKeyError,
    },
    /// What the text holds is no private key that can be used.
    #[error("the private key that was given as text: {0}")]
    InText(#[source] ReadPrivateKeyError),
    /// No file was named, and there is none where keys usually are.
    #[error("there is no private key: neither {} nor {} exists", DEFAULT_FILES[0], DEFAULT_FILES[1])]
    NoDefaultFile,
    /// A path begins with `~/` and nothing says where that is.
    #[error("cannot find {}: the home directory is not known, set HOME", path.display())]
    NoHome {
        /// The path.
        path: PathBuf,
    },
}

impl KeySource {
    /// A file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// The text of a key file.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(SecretString::from(text.into()))
    }

    /// Reads the key, with the passphrase that its file is encrypted with.
    ///
    /// # Errors
    /// [`LoadKeyError`], which names the file.
    pub fn load(&self, passphrase: Option<&Passphrase>) -> Result<PrivateKey, LoadKeyError> {
        self.load_at_home(std::env::home_dir().as_deref(), passphrase)
    }

    fn load_at_home(
        &self,
        home: Option<&Path>,
        passphrase: Option<&Passphrase>,
    ) -> Result<PrivateKey, LoadKeyError> {
        match self {
            Self::DefaultFile => load_default(home, passphrase),
            Self::File(path) => load_file(&expand(path, home)?, passphrase),
            Self::Text(text) => PrivateKey::read(text.expose_secret().as_bytes(), passphrase)
                .map(|file| file.key)
                .map_err(LoadKeyError::InText),
            Self::Key(key) => Ok(key.clone()),
        }
    }
}

impl fmt::Display for KeySource {
    /// Says where the key comes from, never what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultFile => f.write_str("the default private key"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Text(_) => f.write_str("a private key given as text"),
            Self::Key(key) => write!(f, "the private key of {:?}", key.public_key()),
        }
    }
}

fn load_default(
    home: Option<&Path>,
    passphrase: Option<&Passphrase>,
) -> Result<PrivateKey, LoadKeyError> {
    for path in DEFAULT_FILES {
        match load_file(&expand(Path::new(path), home)?, passphrase) {
            Err(LoadKeyError::Unreadable { source, .. })
                if source.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
    }
    Err(LoadKeyError::NoDefaultFile)
}

fn load_file(path: &Path, passphrase: Option<&Passphrase>) -> Result<PrivateKey, LoadKeyError> {
    let mut contents = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut contents))
        .map_err(|source| LoadKeyError::Unreadable { path: path.to_owned(), source })?;
    PrivateKey::read(&contents, passphrase)
        .map(|file| file.key)
        .map_err(|source| LoadKeyError::InFile { path: path.to_owned(), source })
}

/// Replaces a leading `~` by the home directory. `~name` is left as it is.
fn expand(path: &Path, home: Option<&Path>) -> Result<PathBuf, LoadKeyError> {
    match path.strip_prefix("~") {
        Ok(rest) => home
            .map(|home| home.join(rest))
            .ok_or_else(|| LoadKeyError::NoHome { path: path.to_owned() }),
        Err(_) => Ok(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::{KeyKind, RsaBits};
    use countersign_system::SystemRandom;

    use super::*;

    fn write(home: &Path, name: &str, kind: KeyKind, passphrase: Option<&str>) -> PrivateKey {
        let key = PrivateKey::generate(kind).unwrap();
        let passphrase = passphrase.map(Passphrase::new);
        let pem = key.to_pkcs8_pem(passphrase.as_ref(), &SystemRandom).unwrap();
        std::fs::create_dir_all(home.join(".ssh")).unwrap();
        std::fs::write(home.join(".ssh").join(name), pem.as_bytes()).unwrap();
        key
    }

    fn message(result: Result<PrivateKey, LoadKeyError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn the_default_is_the_rsa_key_then_the_ed25519_key() {
        let home = tempfile::tempdir().unwrap();
        let load = || KeySource::DefaultFile.load_at_home(Some(home.path()), None);
        assert!(matches!(load(), Err(LoadKeyError::NoDefaultFile)));
        let edwards = write(home.path(), "id_ed25519", KeyKind::Ed25519, None);
        assert_eq!(load().unwrap().public_key(), edwards.public_key());
        let rsa = write(home.path(), "id_rsa", KeyKind::Rsa(RsaBits::B2048), None);
        assert_eq!(load().unwrap().public_key(), rsa.public_key());
    }

    #[test]
    fn a_default_key_that_is_broken_is_not_passed_over() {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), "id_ed25519", KeyKind::Ed25519, None);
        let broken = home.path().join(".ssh/id_rsa");
        std::fs::write(&broken, "not a key").unwrap();
        let message = message(KeySource::DefaultFile.load_at_home(Some(home.path()), None));
        assert!(message.contains(&broken.display().to_string()), "{message}");
    }

    #[test]
    fn a_leading_tilde_is_the_home_directory() {
        let home = tempfile::tempdir().unwrap();
        let key = write(home.path(), "work", KeyKind::Ed25519, None);
        let source = KeySource::file("~/.ssh/work");
        let found = source.load_at_home(Some(home.path()), None).unwrap();
        assert_eq!(found.public_key(), key.public_key());
        assert!(message(source.load_at_home(None, None)).contains("set HOME"));
        assert_eq!(expand(Path::new("/a/~/b"), None).unwrap(), Path::new("/a/~/b"));
    }

    #[test]
    fn passphrases_wrong_missing_and_superfluous_are_three_errors() {
        let home = tempfile::tempdir().unwrap();
        write(home.path(), "plain", KeyKind::Ed25519, None);
        let key = write(home.path(), "locked", KeyKind::Ed25519, Some("right"));
        let load = |name: &str, passphrase: Option<&str>| {
            let passphrase = passphrase.map(Passphrase::new);
            let source = KeySource::file(home.path().join(".ssh").join(name));
            source.load_at_home(None, passphrase.as_ref())
        };
        let found = load("locked", Some("right")).unwrap();
        assert_eq!(found.public_key(), key.public_key());
        for (name, passphrase, expected) in [
            ("locked", None, "its passphrase is needed"),
            ("locked", Some("wrong"), "does not fit"),
            ("plain", Some("any"), "leave it out"),
        ] {
            let message = message(load(name, passphrase));
            assert!(message.contains(expected) && message.contains(name), "{message}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let message = message(KeySource::file("/nowhere/key.pem").load(None));
        assert!(message.contains("/nowhere/key.pem"), "{message}");
    }

    #[test]
    fn a_key_is_read_from_text_and_never_shown() {
        let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
        let pem = key.to_pkcs8_pem(None, &SystemRandom).unwrap();
        let source = KeySource::text(pem.as_str());
        assert_eq!(source.load(None).unwrap().public_key(), key.public_key());
        let secret = pem.lines().nth(1).unwrap();
        for shown in [format!("{source:?}"), format!("{source}")] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(message(KeySource::text("nonsense").load(None)).contains("given as text"));
    }
}
