//! The whole way of a request in one call: header, token, signature, nonce.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;

use crate::claims::RequestBinding;
use crate::crypto::{AwsLc, SignatureVerifier};
use crate::decoy::Decoys;
use crate::examination::{self, Examination};
use crate::header;
use crate::identity::Identity;
use crate::ports::{
    Clock, Credential, Directory, DirectoryError, GuardError, LastUse, OverLimit, RateLimiter,
    RateSubject, ReplayGuard,
};
use crate::refusal::{Reason, Refusal};
use crate::signed_request_policy::SignedRequestPolicy;
use crate::time::UnixTime;
use crate::token::{UnverifiedToken, Verification};

/// Why a request was not authenticated.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The credential is no good: 401.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The account has used up its share of the replay guard, by its own doing;
    /// the credential may be good: 503.
    #[error("{0}, for now")]
    Busy(Refusal),
    /// It is good and was used too often lately; a one-time token was not spent: 429.
    #[error("{0}, {1}")]
    Limited(Refusal, OverLimit),
    /// A dependency is down or full; the credential may be good: 503.
    #[error("cannot authenticate at the moment: {0}")]
    Unavailable(String),
}

/// Authenticates signed requests against a directory and a replay guard.
///
/// Both are ports: `countersign-store` has some, and a service can bring its
/// own. Here with a wider window and another scheme word:
///
/// ```
/// use std::{collections::HashSet, sync::{Arc, Mutex}, time::Duration};
///
/// use async_trait::async_trait;
/// use countersign_core::ports::*;
/// use countersign_core::{AccountName, Authenticator, SignedRequestPolicy};
/// # use countersign_core::{AccountId, Clock, KeyKind, PrivateKey, PublicKey, Random, RequestSigner, UnixTime};
/// # struct Fixed;
/// # impl Clock for Fixed { fn now(&self) -> UnixTime { UnixTime::from_secs(1_800_000_000) } }
/// # impl Random for Fixed { fn fill(&self, bytes: &mut [u8]) { bytes.fill(7) } }
/// # struct Database { key: PublicKey }
/// # impl Database {
/// #     async fn user(&self, name: &AccountName) -> Result<Option<AccountKeys>, DirectoryError> {
/// #         let key = RegisteredKey {
/// #             key: self.key.clone(), kid: None, algorithm: None, expires_at: None, revoked: false,
/// #         };
/// #         Ok(Some(AccountKeys {
/// #             id: AccountId(uuid::Uuid::from_u128(1)), name: name.clone(), groups: [].into(),
/// #             disabled: false, keys: vec![key], api_keys: vec![], tokens_revoked_at: None,
/// #         }))
/// #     }
/// # }
///
/// /// The service's own users and their keys.
/// struct Users(Database);
///
/// #[async_trait]
/// impl Directory for Users {
///     async fn find(&self, name: &AccountName) -> Result<Option<Arc<AccountKeys>>, DirectoryError> {
///         Ok(self.0.user(name).await?.map(Arc::new))
///     }
/// }
///
/// /// The service's own nonce store; a real one forgets after `remember_until`.
/// struct Nonces(Mutex<HashSet<ReplayKey>>);
///
/// #[async_trait]
/// impl ReplayGuard for Nonces {
///     async fn spend(&self, spend: Spend<'_>) -> Result<(), GuardError> {
///         match self.0.lock().unwrap().insert(spend.key) {
///             true => Ok(()),
///             false => Err(GuardError::Replayed),
///         }
///     }
/// }
///
/// # let key = PrivateKey::generate(KeyKind::Ed25519)?;
/// # let (database, clock) = (Database { key: key.public_key().clone() }, Arc::new(Fixed));
/// # let signer = RequestSigner::new(AccountName::new("ada")?, key).with_scheme("Signed");
/// # let headers = http::HeaderMap::from_iter([(
/// #     http::header::AUTHORIZATION,
/// #     signer.authorization(&Fixed, &Fixed)?.parse()?,
/// # )]);
/// let policy = SignedRequestPolicy {
///     scheme: "Signed".into(),
///     tolerance: Duration::from_secs(60),
///     ..SignedRequestPolicy::default()
/// };
/// let nonces = Nonces(Mutex::default());
/// let authenticator =
///     Authenticator::new(policy, Arc::new(Users(database)), Arc::new(nonces), clock);
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let identity = authenticator.authenticate(&headers, None).await?;
/// assert_eq!(identity.account().as_str(), "ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Authenticator {
    policy: SignedRequestPolicy,
    directory: Arc<dyn Directory>,
    guard: Arc<dyn ReplayGuard>,
    clock: Arc<dyn Clock>,
    verifier: Arc<dyn SignatureVerifier>,
    decoys: Arc<Decoys>,
    credential_limit: Option<Arc<dyn RateLimiter>>,
}

impl Authenticator {
    /// An authenticator with the default provider.
    pub fn new(
        policy: SignedRequestPolicy,
        directory: Arc<dyn Directory>,
        guard: Arc<dyn ReplayGuard>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (verifier, decoys) = (Arc::new(AwsLc), Arc::new(Decoys::default()));
        Self { policy, directory, guard, clock, verifier, decoys, credential_limit: None }
    }

    /// The same, which lets each public key sign only so many requests.
    ///
    /// They are counted when the signature was found right, so that nobody can use up
    /// another's limit by naming its key, and before the nonce is spent, so that a token
    /// that was too many can be sent again.
    #[must_use]
    pub fn with_credential_limit(self, limiter: Arc<dyn RateLimiter>) -> Self {
        Self { credential_limit: Some(limiter), ..self }
    }

    /// The same with another cryptographic provider.
    #[must_use]
    pub fn with_verifier(self, verifier: Arc<dyn SignatureVerifier>) -> Self {
        Self { verifier, ..self }
    }

    /// What this authenticator accepts.
    pub fn policy(&self) -> &SignedRequestPolicy {
        &self.policy
    }

    /// Authenticates the request with these headers, which came from `from`.
    ///
    /// # Errors
    /// [`AuthenticationError`]; only whether it is a refusal or an outage may
    /// be shown to the caller.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        from: Option<IpAddr>,
    ) -> Result<Identity, AuthenticationError> {
        self.authenticate_bound(headers, from, None).await
    }

    /// The same for a policy that binds tokens to `request`.
    ///
    /// # Errors
    /// [`AuthenticationError`], as [`authenticate`](Self::authenticate).
    pub async fn authenticate_bound(
        &self,
        headers: &HeaderMap,
        from: Option<IpAddr>,
        request: Option<&RequestBinding>,
    ) -> Result<Identity, AuthenticationError> {
        let text = header::token(headers, &self.policy.scheme).map_err(Refusal::from)?;
        self.judge(&text, from, request).await
    }

    /// Authenticates the request with this token, for those who have read the header.
    ///
    /// # Errors
    /// [`AuthenticationError`], as [`authenticate`](Self::authenticate).
    pub async fn authenticate_token(
        &self,
        token: &str,
        from: Option<IpAddr>,
    ) -> Result<Identity, AuthenticationError> {
        self.judge(token, from, None).await
    }

    /// What becomes of a signed request with this `Authorization` header, step by step, for
    /// an operator. Nothing is spent and no use is noted.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub async fn examine(&self, authorization: &str) -> Result<Examination, DirectoryError> {
        let verification = self.verification(self.clock.now(), None);
        examination::examine(authorization, &*self.directory, &verification).await
    }

    fn verification<'a>(
        &'a self,
        now: UnixTime,
        request: Option<&'a RequestBinding>,
    ) -> Verification<'a> {
        Verification {
            policy: &self.policy,
            verifier: &*self.verifier,
            decoys: &self.decoys,
            now,
            request,
        }
    }

    async fn judge(
        &self,
        text: &str,
        from: Option<IpAddr>,
        request: Option<&RequestBinding>,
    ) -> Result<Identity, AuthenticationError> {
        let token = UnverifiedToken::parse(text).map_err(Refusal::from)?;
        let claimed = token.unverified_claims().account().clone();
        let refuse = |reason| Refusal { reason, claimed_account: Some(claimed.clone()) };

        let account = self.directory.find(&claimed).await?;
        let now = self.clock.now();
        let verification = self.verification(now, request);
        let verified = token.verify(account.as_ref(), &verification).map_err(|reason| {
            if let (Reason::KeyUnknown, Some(account)) = (reason, &account) {
                self.directory.unknown_key(account);
            }
            refuse(reason)
        })?;
        let id = verified.account_id();
        let key = verified.key().clone();
        if let Some(limiter) = &self.credential_limit {
            limiter.count(RateSubject::public_key(&key)).await.map_err(|over| {
                AuthenticationError::Limited(refuse(Reason::CredentialOverLimit), over)
            })?;
        }
        let identity =
            verified.spend(&*self.guard, &self.policy).await.map_err(|error| match error {
                GuardError::Replayed => refuse(Reason::Replayed).into(),
                GuardError::OutsideWindow => refuse(Reason::OutsideWindow).into(),
                GuardError::ShareUsedUp => AuthenticationError::Busy(refuse(Reason::ShareUsedUp)),
                unavailable => AuthenticationError::Unavailable(unavailable.to_string()),
            })?;
        self.directory.used(LastUse {
            id,
            account: claimed,
            credential: Credential::PublicKey(key),
            at: now,
            from,
        });
        Ok(identity)
    }
}

impl From<DirectoryError> for AuthenticationError {
    fn from(error: DirectoryError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
