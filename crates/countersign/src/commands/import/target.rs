//! The installation that an import goes into.

use std::time::Duration;

use countersign_core::SecretHasher;
use countersign_core::ports::{Act, Clock as _, Page, StoreError};
use countersign_server::{OpenRingError, hashing_secret};
use countersign_store::{ImportMode, JwksRules, RegistryStore as _, SqlStore};
use countersign_system::{SystemClock, SystemRandom};

use crate::config::{DatabaseLocation, Settings};
use crate::data_directory::Paths;
use crate::failure::Failure;
use crate::{databases, encryption_key};

/// Where to write, and by which rules.
pub(super) struct Target {
    pub(super) store: SqlStore,
    pub(super) hasher: SecretHasher,
    pub(super) act: Act,
    pub(super) mode: ImportMode,
    pub(super) refresh_token_lifetime: Duration,
    pub(super) jwks_rules: JwksRules,
}

impl Target {
    /// Opens an installation that a server has run on. Its first start makes the
    /// administrator only where there is no account, so an import must not come first.
    ///
    /// # Errors
    /// A [`Failure`] that says what is missing.
    pub(super) async fn open(
        settings: &Settings,
        paths: &Paths,
        mode: ImportMode,
    ) -> Result<Self, Failure> {
        check_file(settings, paths)?;
        let encryption_key = encryption_key::find_existing(settings, paths)?;
        let store = SqlStore::new(databases::open_main(settings, paths).await?);
        let anyone = store.load_page(Page { after: None, limit: 1 }).await;
        if anyone.map_err(Failure::refused)?.is_empty() {
            return Err(never_started("the database has no account"));
        }
        let secret = hashing_secret(&store, &encryption_key, &SystemRandom).await;
        let secret = secret.map_err(|error| match error {
            OpenRingError::WrongEncryptionKey(_) => Failure::usage(error),
            other => Failure::refused(other),
        })?;
        Ok(Self {
            store,
            hasher: SecretHasher::new(&secret),
            act: Act { actor: "import".to_owned(), at: SystemClock.now(), from: None },
            mode,
            refresh_token_lifetime: settings.tokens.refresh_token_lifetime,
            jwks_rules: settings.jwks_rules(),
        })
    }
}

/// What a store that stopped answering on the way says.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn failure(error: StoreError) -> Failure {
    Failure::refused(format_args!(
        "{error}: what was reported so far is imported, run the import again for the rest"
    ))
}

fn check_file(settings: &Settings, paths: &Paths) -> Result<(), Failure> {
    let file = match &settings.database {
        DatabaseLocation::DataDirectory => paths.database(),
        DatabaseLocation::File(path) => path.clone(),
        DatabaseLocation::Postgres(..) => return Ok(()),
    };
    if file.is_file() {
        return Ok(());
    }
    Err(never_started(&format!("there is no {}", file.display())))
}

fn never_started(found: &str) -> Failure {
    Failure::usage(format_args!(
        "{found}: run `countersign serve` once before an import, so that there is an administrator (on PostgreSQL give COUNTERSIGN_BOOTSTRAP_ADMIN_PUBLIC_KEY)"
    ))
}
