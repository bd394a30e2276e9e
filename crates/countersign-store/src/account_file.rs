//! Accounts in a TOML file, for services that keep a few and have no database.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use countersign_core::ports::{AccountKeys, Directory, DirectoryError, RegisteredKey};
use countersign_core::{
    AccountId, AccountName, GroupName, MAX_GROUPS, NameError, PublicKey, ReadPublicKeyError,
};
use serde::Deserialize;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Under which names become the ids of their accounts (RFC 9562 section 5.5).
const NAMES: Uuid = Uuid::from_u128(0x8a0b_52c5_91ef_4fd6_a3f7_0c6d_b8e2_7d14);

/// Accounts and their public keys, read from a file:
///
/// ```toml
/// [accounts.billing-worker-7]
/// public_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ..."]
/// groups = ["billing"]
///
/// [accounts.reporter]
/// public_key_files = ["keys/reporter.pub"]   # beside this file
/// disabled = true
/// ```
///
/// A key may have any format that Countersign reads, and an account several of them: add
/// the new one, let the caller change over, take the old one away. What the file says is
/// held in memory; [`reload`](Self::reload) reads it again, once or
/// [every so often](Self::reload_every).
///
/// An account's id is made of its name, so it stays the same as long as the name does.
#[derive(Debug)]
pub struct AccountFile {
    path: PathBuf,
    accounts: ArcSwap<Accounts>,
    /// Held while the file is read again, so that what was read last stays.
    reloading: Mutex<()>,
}

type Accounts = HashMap<AccountName, Arc<AccountKeys>>;

/// An account file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountFileError {
    /// The file, or one with a key, cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It is no TOML, or no such as is expected.
    #[error("{}: {cause}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, and what was expected.
        cause: Box<toml::de::Error>,
    },
    /// A public key cannot be read.
    #[error("public key {number} of the account {account}: {cause}")]
    PublicKey {
        /// Whose it is.
        account: AccountName,
        /// Which, counted from 1; those in files come last.
        number: usize,
        /// Why.
        cause: ReadPublicKeyError,
    },
    /// There is no account in it, as in a file that is just being written.
    #[error("{} has no account", .0.display())]
    NoAccount(PathBuf),
    /// An account is in more groups than one may be.
    #[error("the account {0} is in more than {MAX_GROUPS} groups")]
    TooManyGroups(AccountName),
    /// The name of an account would not do.
    #[error("the account {account}: {cause}")]
    Name {
        /// The name.
        account: AccountName,
        /// Why.
        cause: NameError,
    },
}

/// When a file was written, and how long it is.
type Written = (Option<SystemTime>, u64);

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAccounts {
    #[serde(default)]
    accounts: BTreeMap<AccountName, WrittenAccount>,
}

/// One account of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct WrittenAccount {
    public_keys: Vec<String>,
    public_key_files: Vec<PathBuf>,
    groups: Vec<GroupName>,
    disabled: bool,
}

impl AccountFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`AccountFileError`] names the account or the place that would not do.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, AccountFileError> {
        let path = path.into();
        let accounts = ArcSwap::from_pointee(read(&path)?);
        Ok(Self { path, accounts, reloading: Mutex::default() })
    }

    /// Reads the file again. From then on its accounts are the ones that are found: a
    /// key that is gone is refused on the next request.
    ///
    /// # Errors
    /// As [`open`](Self::open); then the accounts stay as they were.
    pub fn reload(&self) -> Result<(), AccountFileError> {
        let _reloading = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        self.accounts.store(Arc::new(read(&self.path)?));
        Ok(())
    }

    /// Reads the file again at this interval, in a task of the current runtime that ends
    /// soon after the accounts have been dropped. What is wrong with it is in the log,
    /// once for each mistake.
    ///
    /// A file that has changed since the last look is read at the next: somebody may still be
    /// writing it, and what is missing at its end may be that an account is disabled. Better
    /// still, write another file and rename it.
    pub fn reload_every(self: &Arc<Self>, interval: Duration) -> JoinHandle<()> {
        let accounts = Arc::downgrade(self);
        tokio::spawn(async move {
            let (mut known, mut seen) = (None, None);
            loop {
                tokio::time::sleep(interval).await;
                let Some(accounts) = accounts.upgrade() else { return };
                let looked = tokio::task::spawn_blocking(move || accounts.look_again(seen)).await;
                let mistake = match looked {
                    Ok((state, outcome)) => {
                        seen = state;
                        outcome.err().map(|error| error.to_string())
                    }
                    Err(error) => Some(error.to_string()),
                };
                if let Some(mistake) = mistake.as_ref().filter(|_| mistake != known) {
                    tracing::error!(mistake, "the accounts stay as they were");
                }
                known = mistake;
            }
        })
    }

    /// Reads the file again if it is as it was when it was `seen`; how it is now.
    fn look_again(&self, seen: Option<Written>) -> (Option<Written>, Result<(), AccountFileError>) {
        let state = fs::metadata(&self.path).ok().map(|found| (found.modified().ok(), found.len()));
        (state, if state == seen { self.reload() } else { Ok(()) })
    }

    /// How many accounts there are.
    pub fn len(&self) -> usize {
        self.accounts.load().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[async_trait]
impl Directory for AccountFile {
    async fn find(&self, name: &AccountName) -> Result<Option<Arc<AccountKeys>>, DirectoryError> {
        Ok(self.accounts.load().get(name).cloned())
    }
}

fn read(path: &Path) -> Result<Accounts, AccountFileError> {
    let text = fs::read_to_string(path)
        .map_err(|cause| AccountFileError::Unreadable { path: path.to_owned(), cause })?;
    let written: WrittenAccounts = toml::from_str(&text).map_err(|cause| {
        AccountFileError::Malformed { path: path.to_owned(), cause: Box::new(cause) }
    })?;
    if written.accounts.is_empty() {
        return Err(AccountFileError::NoAccount(path.to_owned()));
    }
    let directory = path.parent().unwrap_or(Path::new(""));
    let accounts = written
        .accounts
        .into_iter()
        .map(|(name, account)| Ok((name.clone(), Arc::new(account.read(name, directory)?))));
    accounts.collect()
}

impl WrittenAccount {
    fn read(
        mut self,
        name: AccountName,
        directory: &Path,
    ) -> Result<AccountKeys, AccountFileError> {
        let id = AccountId(Uuid::new_v5(&NAMES, name.as_str().as_bytes()));
        name.check_owner(id)
            .map_err(|cause| AccountFileError::Name { account: name.clone(), cause })?;
        let keys = self.keys(&name, directory)?;
        self.groups.sort();
        self.groups.dedup();
        if self.groups.len() > MAX_GROUPS {
            return Err(AccountFileError::TooManyGroups(name));
        }
        Ok(AccountKeys {
            id,
            name,
            groups: self.groups.into(),
            disabled: self.disabled,
            keys,
            api_keys: Vec::new(),
            tokens_revoked_at: None,
        })
    }

    fn keys(
        &self,
        account: &AccountName,
        directory: &Path,
    ) -> Result<Vec<RegisteredKey>, AccountFileError> {
        let inline = self.public_keys.iter().map(|text| Ok(text.clone().into_bytes()));
        let files = self.public_key_files.iter().map(|file| {
            let path = directory.join(file);
            fs::read(&path).map_err(|cause| AccountFileError::Unreadable { path, cause })
        });
        let keys = inline.chain(files).zip(1..).map(|(text, number)| {
            let key = PublicKey::read(&text?).map_err(|cause| AccountFileError::PublicKey {
                account: account.clone(),
                number,
                cause,
            })?;
            let (kid, algorithm, expires_at, revoked) = (None, None, None, false);
            Ok(RegisteredKey { key: key.key, kid, algorithm, expires_at, revoked })
        });
        keys.collect()
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::{KeyKind, PrivateKey};
    use tempfile::TempDir;

    use super::*;

    /// A file in a directory of its own.
    fn written(text: &str) -> (TempDir, PathBuf) {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("accounts.toml");
        fs::write(&path, text).unwrap();
        (directory, path)
    }

    fn key() -> PublicKey {
        PrivateKey::generate(KeyKind::Ed25519).unwrap().public_key().clone()
    }

    async fn found(accounts: &AccountFile, name: &str) -> Option<Arc<AccountKeys>> {
        accounts.find(&AccountName::new(name).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn accounts_have_the_keys_and_groups_of_the_file() {
        let (inline, in_file) = (key(), key());
        let (directory, path) = written(&format!(
            "[accounts.worker]
            public_keys = ['''{}''']
            public_key_files = ['worker.pub']
            groups = ['ops', 'billing', 'ops']
            [accounts.reporter]
            disabled = true",
            inline.to_spki_pem()
        ));
        fs::write(directory.path().join("worker.pub"), in_file.to_spki_pem()).unwrap();
        let accounts = AccountFile::open(path).unwrap();
        assert_eq!(accounts.len(), 2);
        let worker = found(&accounts, "worker").await.unwrap();
        let keys: Vec<_> = worker.keys.iter().map(|registered| registered.key.clone()).collect();
        assert_eq!(keys, [inline, in_file]);
        let groups: Vec<_> = worker.groups.iter().map(GroupName::as_str).collect();
        assert_eq!(groups, ["billing", "ops"]);
        assert!(!worker.disabled && found(&accounts, "reporter").await.unwrap().disabled);
        assert!(found(&accounts, "Worker").await.is_none());
    }

    #[tokio::test]
    async fn a_file_is_read_again_as_a_whole_or_not_at_all() {
        let (_directory, path) = written("[accounts.worker]\n[accounts.leaver]");
        let accounts = AccountFile::open(&path).unwrap();
        let id = found(&accounts, "worker").await.unwrap().id;
        fs::write(&path, "[accounts.worker]\ngroups = ['ops']\n[accounts.]").unwrap();
        assert!(accounts.reload().is_err());
        assert!(found(&accounts, "leaver").await.is_some());
        fs::write(&path, "[accounts.worker]\ngroups = ['ops']").unwrap();
        accounts.reload().unwrap();
        assert!(found(&accounts, "leaver").await.is_none());
        let worker = found(&accounts, "worker").await.unwrap();
        assert_eq!((worker.id, worker.groups.len()), (id, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_watched() {
        let (_directory, path) = written("[accounts.worker]");
        let accounts = Arc::new(AccountFile::open(&path).unwrap());
        let task = accounts.reload_every(Duration::from_secs(5));
        for half in ["[accounts.worker", ""] {
            fs::write(&path, half).unwrap();
            tokio::time::sleep(Duration::from_secs(16)).await;
            assert!(found(&accounts, "worker").await.is_some());
        }
        fs::write(&path, "[accounts.other]").unwrap();
        while found(&accounts, "other").await.is_none() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(found(&accounts, "worker").await.is_none());
        drop(accounts);
        task.await.unwrap();
    }

    #[test]
    fn what_would_not_do_is_named() {
        let many: Vec<_> = (0..=MAX_GROUPS).map(|number| format!("'g{number}'")).collect();
        for (text, expected) in [
            ("[accounts.worker]\npublic_key = []", "unknown field `public_key`"),
            ("[account.worker]", "unknown field `account`"),
            ("", "has no account"),
            ("[accounts.' x']", "must not begin or end with a blank"),
            ("[accounts.x]\ngroups = ['a b']", "a group may only contain"),
            ("[accounts.x]\npublic_keys = ['ssh-rot13 AAAA']", "public key 1 of the account x"),
            ("[accounts.x]\npublic_key_files = ['gone.pub']", "gone.pub"),
            ("[accounts.5d8f6a3a-2e5b-4c0e-9a53-6a7b9d0c1e2f]", "shape of a UUID"),
            (&format!("[accounts.x]\ngroups = [{}]", many.join(",")), "more than 256 groups"),
        ] {
            let (_directory, path) = written(text);
            let error = AccountFile::open(path).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let error = AccountFile::open("/nowhere/accounts.toml").unwrap_err().to_string();
        assert!(error.starts_with("cannot read /nowhere/accounts.toml: "), "{error}");
    }
}
