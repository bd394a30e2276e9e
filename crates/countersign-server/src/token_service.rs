//! The key-to-token service: what an API key buys, and what that is good for.
//!
//! It is what the routes of both listeners call, and it can be called in process,
//! without HTTP, on any store:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use countersign_core::ports::{Act, Clock};
//! use countersign_core::{AccountId, ApiKey, EncryptionKey, Rotation};
//! use countersign_server::{LiveKeyRing, RingSettings, TokenPorts, TokenService, TokenSettings};
//! use countersign_store::{LiveDirectory, MemoryStore};
//! use countersign_system::{SystemClock, SystemRandom, random_account_id};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
//! let store = Arc::new(MemoryStore::default());
//! let accounts = Arc::new(LiveDirectory::start(store.clone(), None));
//! let ring = LiveKeyRing::open(
//!     store.clone(),
//!     EncryptionKey::generate(&*random),
//!     RingSettings::default(),
//!     (clock.clone(), random.clone()),
//! )
//! .await?;
//! let ports = TokenPorts {
//!     directory: accounts.clone(),
//!     api_keys: accounts.clone(),
//!     refresh_tokens: store.clone(),
//!     clock: clock.clone(),
//!     random: random.clone(),
//! };
//! let service = TokenService::new(ports, Arc::new(ring), TokenSettings::default());
//!
//! // Register a key, and swap it for a token.
//! let act = Act { actor: "deployment".into(), at: clock.now(), from: None };
//! let key = ApiKey::generate(&*random);
//! let identifier = random_account_id(&*random);
//! service.register(&act, &key, identifier).await?;
//! let session = service.authenticate(key.reveal(), identifier.0, None).await?;
//! assert_eq!(service.validate(&session.jwt).await?.account_id(), Some(identifier));
//!
//! // Later: another token for the refresh token, perhaps of another signing key.
//! service.ring().rotate(&act, Rotation::Compromised).await?;
//! assert!(service.validate(&session.jwt).await.is_err(), "its key is no longer trusted");
//! let jwt = service.refresh(session.refresh_token.reveal(), identifier.0, None).await?;
//! assert_eq!(service.validate(&jwt).await?.claimed_identifier(), Some(identifier.0));
//! # Ok(())
//! # }
//! ```

mod live_key_ring;
mod maintenance;
mod signing;
mod verified_tokens;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::{
    Act, ApiKeyRecord, ApiKeyStore, Clock, Credential, DirectoryError, LastUse, NewApiKey,
    OverLimit, Random, RateLimiter, RateSubject, RefreshTokenRecord, RefreshTokenStore,
    SharedSigningKeys as _, StoreError, TokenDirectory,
};
use countersign_core::{
    API_KEY_PREFIX, AccessTokenPolicy, AccountId, AccountName, ApiKey, ApiKeyHolder, ApiKeyId,
    AuthenticationError, Grant, GrantError, IdentifierRule, Identity, Reason, RefreshToken,
    Refusal, UnixTime, VerifiedAccessToken, header,
};
use http::HeaderMap;
use uuid::Uuid;

pub(crate) use live_key_ring::remedy;
pub use live_key_ring::{
    ChangeRingError, LiveKeyRing, OpenRingError, RingSettings, RingSharing, SigningKeyKind,
    SigningKeysCheck, change_encryption_key, hashing_secret,
};
pub use maintenance::MAINTENANCE_INTERVAL;
use signing::Signer;
use verified_tokens::{Remembered, VerifiedTokens};

/// The scheme word of access tokens and API keys (RFC 6750).
pub(crate) const BEARER: &str = "Bearer";
/// How long API keys are good, unless configured.
pub const DEFAULT_API_KEY_LIFETIME: Duration = Duration::from_hours(120 * 24);
/// How long refresh tokens are good, unless configured.
pub const DEFAULT_REFRESH_TOKEN_LIFETIME: Duration = Duration::from_hours(60 * 24);
/// The longest life of an access token that can be configured.
pub const MAX_ACCESS_TOKEN_LIFETIME: Duration = Duration::from_hours(31 * 24);
/// How long it is remembered that a token was revoked by its id: whatever lifetime
/// was configured when it was issued, it has expired by then.
const REVOCATION_MEMORY: Duration = Duration::from_hours(32 * 24);

/// How the service behaves.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// What access tokens say, and how long they are good.
    pub policy: AccessTokenPolicy,
    /// How long a registered API key is good.
    pub api_key_lifetime: Duration,
    /// How long a refresh token is good.
    pub refresh_token_lifetime: Duration,
    /// Which identifier a key holder may claim.
    pub identifier_rule: IdentifierRule,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            policy: AccessTokenPolicy::default(),
            api_key_lifetime: DEFAULT_API_KEY_LIFETIME,
            refresh_token_lifetime: DEFAULT_REFRESH_TOKEN_LIFETIME,
            identifier_rule: IdentifierRule::default(),
        }
    }
}

/// What the service needs from the world.
#[derive(Clone)]
pub struct TokenPorts {
    /// Finds accounts. After an act upon [`api_keys`](Self::api_keys) has returned, it
    /// must know.
    pub directory: Arc<dyn TokenDirectory>,
    /// Where API keys are registered and tokens revoked.
    pub api_keys: Arc<dyn ApiKeyStore>,
    /// Where refresh tokens are kept.
    pub refresh_tokens: Arc<dyn RefreshTokenStore>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Draws ids and tokens.
    pub random: Arc<dyn Random>,
}

/// What an API key buys.
#[derive(Clone)]
pub struct Session {
    /// An access token.
    pub jwt: String,
    /// What buys the next ones.
    pub refresh_token: RefreshToken,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(..)")
    }
}

/// Why there is no token, or why it is not accepted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// For good: 401. The caller learns nothing more.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is good and was used too often lately: 429.
    #[error("{0}, {1}")]
    Limited(Refusal, OverLimit),
    /// For now: 503. The reason is for the log.
    #[error("not at the moment: {0}")]
    Unavailable(String),
}

/// Registers API keys, swaps them for tokens, and says whose tokens are.
pub struct TokenService {
    ports: TokenPorts,
    ring: Arc<LiveKeyRing>,
    settings: TokenSettings,
    signer: Signer,
    verified: VerifiedTokens,
    credential_limit: Option<Arc<dyn RateLimiter>>,
}

impl TokenService {
    /// A service with this key ring.
    pub fn new(ports: TokenPorts, ring: Arc<LiveKeyRing>, settings: TokenSettings) -> Self {
        Self {
            ports,
            ring,
            settings,
            signer: Signer::default(),
            verified: VerifiedTokens::default(),
            credential_limit: None,
        }
    }

    /// The same, which lets each API key, and the access tokens of each account, be used only
    /// so often. They are counted when they have proved to be good.
    #[must_use]
    pub fn with_credential_limit(self, limiter: Arc<dyn RateLimiter>) -> Self {
        Self { credential_limit: Some(limiter), ..self }
    }

    /// The keys that tokens are signed with.
    pub fn ring(&self) -> &LiveKeyRing {
        &self.ring
    }

    /// Where API keys are administrated.
    pub fn api_keys(&self) -> &dyn ApiKeyStore {
        &*self.ports.api_keys
    }

    /// Registers a key for an identifier, or renews it.
    ///
    /// # Errors
    /// [`StoreError::NotRegistrable`] or [`StoreError::Unavailable`].
    pub async fn register(
        &self,
        act: &Act,
        key: &ApiKey,
        identifier: AccountId,
    ) -> Result<ApiKeyRecord, StoreError> {
        let expires_at = act.at + self.settings.api_key_lifetime;
        let new = self.new_api_key(key, String::new(), Some(expires_at));
        self.ports.api_keys.register_api_key(act, identifier, new).await
    }

    /// A key as it is stored, under an id of its own.
    pub fn new_api_key(
        &self,
        key: &ApiKey,
        comment: String,
        expires_at: Option<UnixTime>,
    ) -> NewApiKey {
        NewApiKey {
            id: ApiKeyId::draw(&*self.ports.random),
            hash: self.ring.hasher().api_key(key),
            comment,
            expires_at,
        }
    }

    /// Whether a key is registered, not revoked, and its account not disabled. It may
    /// have expired: registering it again renews it.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub async fn is_registered(&self, key: &ApiKey) -> Result<bool, DirectoryError> {
        let hash = self.ring.hasher().api_key(key);
        let account = self.ports.directory.find_by_api_key(&hash).await?;
        let account = account.filter(|account| !account.disabled);
        let mut keys = account.iter().flat_map(|account| &account.api_keys);
        Ok(keys.any(|key| key.hash == hash && key.revoked_at.is_none()))
    }

    /// Swaps an API key for an access token and a refresh token. The refresh token is
    /// stored before it is given out.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn authenticate(
        &self,
        key: &str,
        identifier: Uuid,
        from: Option<IpAddr>,
    ) -> Result<Session, TokenError> {
        let holder = self.holder(key).await?;
        self.count_use(&holder).await?;
        let refresh_token = RefreshToken::generate(&*self.ports.random);
        let now = self.ports.clock.now();
        let record = RefreshTokenRecord {
            hash: self.ring.hasher().refresh_token(&refresh_token),
            api_key: holder.key(),
            account: holder.account().id,
            created_at: now,
            expires_at: now + self.settings.refresh_token_lifetime,
        };
        let grant = self.grant(&holder, identifier)?;
        if !self.ports.refresh_tokens.add_refresh_token(record).await? {
            // The account was deleted meanwhile, and its keys with it.
            return Err(refusal(Reason::ApiKeyUnknown, Some(&holder)));
        }
        let jwt = self.sign(grant).await?;
        self.note_use(&holder, from);
        Ok(Session { jwt, refresh_token })
    }

    /// Another access token for a refresh token.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn refresh(
        &self,
        refresh_token: &str,
        identifier: Uuid,
        from: Option<IpAddr>,
    ) -> Result<String, TokenError> {
        let unknown = || refusal(Reason::RefreshTokenUnknown, None);
        let token = RefreshToken::read(refresh_token).map_err(|_| unknown())?;
        let hash = self.ring.hasher().refresh_token(&token);
        let found = self.ports.refresh_tokens.refresh_token(&hash).await?;
        let record = found.ok_or_else(unknown)?;
        let account = self.ports.directory.find_by_id(record.account).await?;
        let now = self.ports.clock.now();
        let holder = ApiKeyHolder::of_refresh_token(account, &record, now)
            .map_err(|reason| refusal(reason, None))?;
        self.count_use(&holder).await?;
        let jwt = self.sign(self.grant(&holder, identifier)?).await?;
        self.note_use(&holder, from);
        Ok(jwt)
    }

    /// Whose access token that is.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn validate(&self, token: &str) -> Result<Identity, TokenError> {
        let identity = self.examine(token).await?;
        let account = self.credential_limit.as_ref().zip(identity.account_id());
        if let Some((limiter, account)) = account {
            let counted = limiter.count(RateSubject::account(account)).await;
            counted.map_err(|over| limited(identity.account(), over))?;
        }
        Ok(identity)
    }

    /// The same for an operator, whose looking is no use.
    pub(crate) async fn examine(&self, token: &str) -> Result<Identity, TokenError> {
        let now = self.ports.clock.now();
        self.stay_in_touch().await?;
        let (ring, generation) = self.ring.current();
        let version = self.ports.directory.version();
        let digest = VerifiedTokens::digest(token);
        if let Some(known) = self.verified.get(&digest, generation, now) {
            if let Some(caller) = known.caller(version) {
                return Ok(caller.clone());
            }
            let caller = self.admit(known.token(), now).await?;
            if version.is_some() {
                self.verified.insert(digest, known.with_caller(version, caller.clone()));
            }
            return Ok(caller);
        }
        let (token, generation) = match self.settings.policy.verify(token, &ring, now) {
            Err(Reason::KeyUnknown) => {
                self.ring.look_for_others_keys().await?;
                let (ring, generation) = self.ring.current();
                (self.settings.policy.verify(token, &ring, now), generation)
            }
            verified => (verified, generation),
        };
        let token = token.map_err(|reason| refusal(reason, None))?;
        let caller = self.admit(&token, now).await?;
        let known = Remembered::new(token, (generation, version), caller.clone(), now);
        self.verified.insert(digest, known);
        Ok(caller)
    }

    /// Whose a token with a good signature is, by what the directory says now.
    async fn admit(
        &self,
        token: &VerifiedAccessToken,
        now: UnixTime,
    ) -> Result<Identity, TokenError> {
        if self.ports.directory.is_token_revoked(token.claims().token_id).await? {
            return Err(refusal(Reason::TokenRevoked, None));
        }
        let account = self.ports.directory.find_by_id(token.account()).await?;
        let admitted = token.admit(account, self.ring.token_ids(), now);
        admitted.map_err(|reason| refusal(reason, None))
    }

    /// Whoever shows an access token, or an API key that was made by Countersign, as the
    /// `Bearer` of its request.
    ///
    /// # Errors
    /// [`AuthenticationError`].
    pub async fn bearer(
        &self,
        headers: &HeaderMap,
        from: Option<IpAddr>,
    ) -> Result<Identity, AuthenticationError> {
        let shown = header::token(headers, BEARER).map_err(Refusal::from)?;
        let identity = if shown.starts_with(API_KEY_PREFIX) {
            self.identify(&shown, from).await
        } else {
            self.validate(&shown).await
        };
        identity.map_err(|error| match error {
            TokenError::Refused(refusal) => AuthenticationError::Refused(refusal),
            TokenError::Limited(refusal, over) => AuthenticationError::Limited(refusal, over),
            TokenError::Unavailable(cause) => AuthenticationError::Unavailable(cause),
        })
    }

    /// Whoever shows an API key as its credential.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn identify(&self, key: &str, from: Option<IpAddr>) -> Result<Identity, TokenError> {
        let holder = self.holder(key).await?;
        self.count_use(&holder).await?;
        self.note_use(&holder, from);
        Ok(holder.identity())
    }

    /// Refuses the access token with that id from now on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn revoke(&self, act: &Act, token_id: Uuid) -> Result<(), StoreError> {
        self.ports.api_keys.revoke_token(act, token_id, act.at + REVOCATION_MEMORY).await
    }

    /// Whose API key that is, if it could be used now. No use is noted.
    pub(crate) async fn owner(&self, key: &ApiKey) -> Result<AccountName, TokenError> {
        Ok(self.holder(key.reveal()).await?.account().name.clone())
    }

    async fn holder(&self, key: &str) -> Result<ApiKeyHolder, TokenError> {
        let unknown = |_| refusal(Reason::ApiKeyUnknown, None);
        let hash = self.ring.hasher().api_key(&ApiKey::new(key).map_err(unknown)?);
        let account = self.ports.directory.find_by_api_key(&hash).await?;
        let claimed = account.as_ref().map(|account| account.name.clone());
        ApiKeyHolder::of_api_key(account, &hash, self.ports.clock.now())
            .map_err(|reason| Refusal { reason, claimed_account: claimed }.into())
    }

    fn grant(&self, holder: &ApiKeyHolder, identifier: Uuid) -> Result<Grant, TokenError> {
        let (now, random) = (self.ports.clock.now(), &*self.ports.random);
        let rule = self.settings.identifier_rule;
        let grant = holder.grant(identifier, rule, self.ring.token_ids(), (now, random));
        grant.map_err(|error| match error {
            GrantError::Refused(reason) => refusal(reason, Some(holder)),
            GrantError::TooSoon => TokenError::Unavailable(error.to_string()),
        })
    }

    /// What was not seen for too long is not gone by: neither accounts, which the directory
    /// sees to, nor signing keys.
    async fn stay_in_touch(&self) -> Result<(), StoreError> {
        if self.ports.directory.is_in_touch() { Ok(()) } else { self.ring.read_again().await }
    }

    async fn sign(&self, grant: Grant) -> Result<String, TokenError> {
        self.stay_in_touch().await?;
        let (ring, _) = self.ring.current();
        let now = self.ports.clock.now();
        self.signer.sign(&self.settings.policy, ring, grant, now).await
    }

    async fn count_use(&self, holder: &ApiKeyHolder) -> Result<(), TokenError> {
        let Some(limiter) = &self.credential_limit else { return Ok(()) };
        let counted = limiter.count(RateSubject::api_key(holder.key())).await;
        counted.map_err(|over| limited(&holder.account().name, over))
    }

    fn note_use(&self, holder: &ApiKeyHolder, from: Option<IpAddr>) {
        self.ports.directory.used(LastUse {
            id: holder.account().id,
            account: holder.account().name.clone(),
            credential: Credential::ApiKey(holder.key()),
            at: self.ports.clock.now(),
            from,
        });
    }
}

fn refusal(reason: Reason, holder: Option<&ApiKeyHolder>) -> TokenError {
    let claimed_account = holder.map(|holder| holder.account().name.clone());
    Refusal { reason, claimed_account }.into()
}

fn limited(account: &AccountName, over: OverLimit) -> TokenError {
    let claimed_account = Some(account.clone());
    TokenError::Limited(Refusal { reason: Reason::CredentialOverLimit, claimed_account }, over)
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<DirectoryError> for TokenError {
    fn from(error: DirectoryError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
