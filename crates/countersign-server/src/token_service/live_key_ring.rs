//! The key ring of an installation: in the store sealed, in memory ready to sign.

mod changes;
mod errors;
mod hashing_secret;
mod resealing;
mod sharing;
mod unusable;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_core::ports::{
    Act, Clock, Random, SigningKeyRecord, SigningKeyStore, UnreadableSigningKey,
};
use countersign_core::{
    Algorithm, DEFAULT_ACCESS_TOKEN_LIFETIME, EncryptionKey, KeyKind, KeyRing, OpenError,
    PrivateKey, PrivateKeyError, RsaBits, SecretHasher, SigningKey, SigningKeyState, TokenIds,
};
use tokio::task::spawn_blocking;

pub use errors::{ChangeRingError, OpenRingError};
use hashing_secret::has_hashing_secret;
pub use hashing_secret::hashing_secret;
pub use resealing::change_encryption_key;
pub use unusable::SigningKeysCheck;
pub(crate) use unusable::remedy;
use unusable::{UnusableKey, UnusableKeys};

/// What signing keys are sealed as.
const SIGNING_KEY: &str = "signing-key";
/// How long a key signs, unless configured.
const DEFAULT_ROTATION_INTERVAL: Duration = Duration::from_hours(90 * 24);

/// What new signing keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningKeyKind {
    /// The algorithm that they sign with.
    pub algorithm: Algorithm,
    /// How long the modulus of an RSA key is.
    pub rsa_bits: RsaBits,
}

impl Default for SigningKeyKind {
    fn default() -> Self {
        Self { algorithm: Algorithm::Es256, rsa_bits: RsaBits::B2048 }
    }
}

impl SigningKeyKind {
    fn key_kind(self) -> KeyKind {
        match self.algorithm {
            Algorithm::Es256 => KeyKind::P256,
            Algorithm::Es384 => KeyKind::P384,
            Algorithm::EdDsa => KeyKind::Ed25519,
            _ => KeyKind::Rsa(self.rsa_bits),
        }
    }
}

/// How a ring is kept.
#[derive(Clone, Debug)]
pub struct RingSettings {
    /// What new keys are.
    pub kind: SigningKeyKind,
    /// How long a key signs before the next one does; `None` leaves that to operators.
    pub rotate_every: Option<Duration>,
    /// How long the tokens that are signed live at most.
    pub longest_lifetime: Duration,
    /// Who else may change the ring.
    pub sharing: RingSharing,
    /// The keys of an installation that brings its own: with these alone the ring
    /// begins, and nothing is made. A key without its private half only validates.
    pub first_keys: Vec<SigningKey>,
}

impl Default for RingSettings {
    fn default() -> Self {
        Self {
            kind: SigningKeyKind::default(),
            rotate_every: Some(DEFAULT_ROTATION_INTERVAL),
            longest_lifetime: DEFAULT_ACCESS_TOKEN_LIFETIME,
            sharing: RingSharing::Alone,
            first_keys: Vec::new(),
        }
    }
}

/// Who changes a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingSharing {
    /// This server.
    Alone,
    /// Others as well: a token that names a key which is not in memory may name one of theirs.
    WithOthers,
}

/// The signing keys of an installation, and its other secrets.
pub struct LiveKeyRing {
    store: Arc<dyn SigningKeyStore>,
    encryption_key: EncryptionKey,
    settings: RingSettings,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    hasher: SecretHasher,
    token_ids: TokenIds,
    current: ArcSwap<KeyRing>,
    /// Counts the changes, so that nobody goes by a former ring.
    generation: AtomicU64,
    /// As they were last read. Held while they are read: the later reading has the later state.
    records: tokio::sync::Mutex<Vec<Result<SigningKeyRecord, UnreadableSigningKey>>>,
    unusable: UnusableKeys,
    /// How many looks for a key that is not in memory have begun.
    looks: AtomicU64,
    /// Held during such a look.
    looking: tokio::sync::Mutex<()>,
    /// Held while the ring is changed.
    turn: tokio::sync::Mutex<()>,
}

impl LiveKeyRing {
    /// Opens the ring in the store; a store without one gets its first two keys.
    ///
    /// A key that cannot be used is done without, so that operators can get rid of it.
    ///
    /// # Errors
    /// [`OpenRingError`]. A wrong encryption key is one: nothing is made anew.
    pub async fn open(
        store: Arc<dyn SigningKeyStore>,
        encryption_key: EncryptionKey,
        settings: RingSettings,
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
    ) -> Result<Self, OpenRingError> {
        let is_proved_right = has_hashing_secret(&*store).await?;
        let secret = hashing_secret(&*store, &encryption_key, &*random).await?;
        let ring = Self {
            store,
            encryption_key,
            settings,
            clock,
            random,
            hasher: SecretHasher::new(&secret),
            token_ids: TokenIds::new(&secret),
            current: ArcSwap::from_pointee(KeyRing::new(Vec::new())?),
            generation: AtomicU64::new(0),
            records: tokio::sync::Mutex::default(),
            unusable: UnusableKeys::default(),
            looks: AtomicU64::new(0),
            looking: tokio::sync::Mutex::default(),
            turn: tokio::sync::Mutex::new(()),
        };
        if !ring.reload().await? {
            ring.begin().await?;
            ring.reload().await?;
        }
        // Without the secret that tells, a key that cannot be opened may be in order, and
        // the encryption key be the wrong one.
        if !is_proved_right && let Some(error) = ring.unusable.take_one() {
            return Err(error);
        }
        ring.note_strange_keys();
        Ok(ring)
    }

    /// The ring as it is now, and the number of its last change.
    pub fn current(&self) -> (Arc<KeyRing>, u64) {
        // In this order: what was checked with a new ring under an old number is only
        // checked again.
        let generation = self.generation.load(Ordering::Acquire);
        (self.current.load_full(), generation)
    }

    /// Hashes API keys and refresh tokens.
    pub fn hasher(&self) -> &SecretHasher {
        &self.hasher
    }

    /// The ids of access tokens.
    pub fn token_ids(&self) -> &TokenIds {
        &self.token_ids
    }

    /// The JWKS (RFC 7517 section 5) for verifiers.
    pub fn jwks(&self) -> String {
        self.current.load().jwks(self.clock.now())
    }

    /// How long a key signs before the next one does; `None` if operators see to that.
    pub fn rotates_every(&self) -> Option<Duration> {
        self.settings.rotate_every
    }

    /// Every key that is not gone, and where it stands.
    pub fn keys(&self) -> Vec<(SigningKey, SigningKeyState)> {
        let now = self.clock.now();
        let ring = self.current.load();
        ring.published(now).map(|key| (key.clone(), key.state(now))).collect()
    }

    /// Says which keys an installation brings along that the ring was begun without.
    fn note_strange_keys(&self) {
        let (ring, now) = (self.current.load(), self.clock.now());
        let is_there =
            |first: &SigningKey| ring.verifier(&first.kid, first.algorithm, now).is_some();
        for key in self.settings.first_keys.iter().filter(|key| !is_there(key)) {
            tracing::warn!(
                kid = &*key.kid,
                "this key does not sign: the ring was begun without it; import it, and rotate"
            );
        }
    }

    /// Puts the first keys into an empty store.
    async fn begin(&self) -> Result<(), OpenRingError> {
        let act = Act { actor: "first-start".to_owned(), at: self.clock.now(), from: None };
        let mut keys = self.settings.first_keys.clone();
        if keys.is_empty() {
            // The first key signs at once: nobody has a copy of the JWKS yet.
            let first = self.generate().await?;
            keys.push(SigningKey { activated_at: Some(act.at), ..first });
        }
        if keys.iter().any(|key| key.private_key.is_some()) {
            keys.push(self.generate().await?);
        }
        let sealed: Vec<_> = keys.iter().map(|key| self.sealed(key)).collect();
        // Whoever else begins at the same time may have been first.
        self.store.begin_ring(&act, &sealed).await?;
        Ok(())
    }

    /// A new key, made on a thread of its own: an RSA key takes its time.
    async fn generate(&self) -> Result<SigningKey, PrivateKeyError> {
        let kind = self.settings.kind;
        let generated = spawn_blocking(move || PrivateKey::generate(kind.key_kind())).await;
        // Unwrap safety: it fails if the making panicked, or when the program ends.
        let key = generated.expect("a thread that makes a key")?;
        Ok(SigningKey::new(key, kind.algorithm, self.clock.now()))
    }

    /// Reads the ring again; whether there is any key in it. One that cannot be used is as if
    /// it were not there: the others, and what else this server learns from the store, must
    /// not wait for somebody to mend it.
    async fn reload(&self) -> Result<bool, OpenRingError> {
        let mut known = self.records.lock().await;
        let records = self.store.signing_keys().await?;
        if *known != records {
            let (mut keys, mut unusable) = (Vec::new(), Vec::new());
            for record in &records {
                match self.opened(record.clone()) {
                    Ok(key) => keys.push(key),
                    Err(error) => unusable.push(UnusableKey::new(record.clone(), error)),
                }
            }
            self.current.store(Arc::new(KeyRing::new(keys)?));
            self.unusable.are(unusable, self.clock.now());
            self.generation.fetch_add(1, Ordering::Release);
            *known = records;
        }
        Ok(!known.is_empty())
    }

    fn sealed(&self, key: &SigningKey) -> SigningKeyRecord {
        let seal = |private: &PrivateKey| {
            let secret = private.to_pkcs8_der();
            self.encryption_key.seal(SIGNING_KEY, &key.kid, &secret, &*self.random)
        };
        SigningKeyRecord {
            kid: key.kid.clone(),
            algorithm: key.algorithm,
            public_key: key.public_key.clone(),
            sealed: key.private_key.as_ref().map(seal),
            published_at: key.published_at,
            activated_at: key.activated_at,
            retired_at: key.retired_at,
            gone_at: key.gone_at,
        }
    }

    fn opened(
        &self,
        record: Result<SigningKeyRecord, UnreadableSigningKey>,
    ) -> Result<SigningKey, OpenRingError> {
        let damaged = |UnreadableSigningKey { kid, why, .. }| OpenRingError::Damaged { kid, why };
        let record = record.map_err(damaged)?;
        let open = |sealed| {
            let wrong = |_: OpenError| {
                OpenRingError::WrongEncryptionKey(format!("signing key {}", record.kid))
            };
            let secret =
                self.encryption_key.open(SIGNING_KEY, &record.kid, sealed).map_err(wrong)?;
            let damaged = |error: PrivateKeyError| OpenRingError::Damaged {
                kid: record.kid.clone(),
                why: error.to_string(),
            };
            PrivateKey::from_pkcs8_der(&secret).map_err(damaged)
        };
        Ok(SigningKey {
            private_key: record.sealed.as_ref().map(open).transpose()?,
            kid: record.kid,
            algorithm: record.algorithm,
            public_key: record.public_key,
            published_at: record.published_at,
            activated_at: record.activated_at,
            retired_at: record.retired_at,
            gone_at: record.gone_at,
        })
    }
}
