//! What a service accepts, built from named pieces.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_core::header::Spelling;
use countersign_core::{
    AccountName, Authenticator, Clock, HmacAlgorithm, IdentityHeaders, IdentityHeadersError,
    Reason, TokenAlgorithm, header,
};
use countersign_system::SystemClock;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, Response};

use crate::answers::{Answers, Challenge, Denial};
use crate::bearer_tokens::{BearerTokens, Verifier};
use crate::groups::GroupSource;
use crate::signed_requests::SignedRequests;

/// How far clocks may differ at most.
pub const MAX_LEEWAY: Duration = Duration::from_hours(1);

/// What a service accepts, and how it answers those whom it does not.
///
/// It begins with what it verifies tokens with: one that accepts nothing cannot be
/// written. Cloning is cheap.
///
/// ```
/// use std::time::Duration;
///
/// use countersign_core::SharedSecret;
/// use countersign_tower::{BearerTokens, Membership, Policy};
///
/// # fn build() -> Result<(), Box<dyn std::error::Error>> {
/// # let secret = b"correct horse battery staple and more";
/// let tokens = BearerTokens::shared_secret(SharedSecret::new(secret)?)
///     .issuer("https://auth.example")
///     .audience("billing")
///     .leeway(Duration::from_secs(10));
/// let policy = Policy::accepting(tokens)
///     .realm("billing")
///     .groups(|account, _request| {
///         Box::pin(async move {
///             Ok(match account.as_str() {
///                 "mallory" => Membership::Blocked,
///                 _ => Membership::Groups(vec!["callers".parse().expect("a group's name")]),
///             })
///         })
///     })
///     .build()?;
/// # Ok(())
/// # }
/// # build().unwrap();
/// ```
#[derive(Clone)]
pub struct Policy(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) ways: Vec<Way>,
    pub(crate) groups: Option<Arc<dyn GroupSource>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) identity_headers: IdentityHeaders,
    pub(crate) tells_upstreams: bool,
    answers: Answers,
}

/// One way to prove who one is, by its scheme word.
pub(crate) enum Way {
    Bearer(BearerTokens, Verifier),
    Signed(Vec<Spelling>, Authenticator),
}

impl Way {
    pub(crate) fn scheme(&self) -> &str {
        match self {
            Self::Bearer(tokens, _) => &tokens.scheme,
            Self::Signed(_, authenticator) => &authenticator.policy().scheme,
        }
    }

    /// The token that a request shows, if it is spelled as it may be.
    pub(crate) fn token<'a>(&self, headers: &'a HeaderMap) -> Result<Cow<'a, str>, Reason> {
        let shown = header::shown(headers, self.scheme())?;
        let spellings = match self {
            Self::Bearer(tokens, _) => &tokens.spellings,
            Self::Signed(spellings, _) => spellings,
        };
        if spellings.contains(&shown.spelling) {
            Ok(shown.token)
        } else {
            Err(Reason::HeaderMalformed)
        }
    }
}

/// Something that a policy can accept.
#[derive(Clone)]
pub enum Scheme {
    /// Tokens of an issuer.
    BearerTokens(BearerTokens),
    /// Tokens that callers sign themselves.
    SignedRequests(SignedRequests),
}

impl From<BearerTokens> for Scheme {
    fn from(tokens: BearerTokens) -> Self {
        Self::BearerTokens(tokens)
    }
}

impl From<SignedRequests> for Scheme {
    fn from(requests: SignedRequests) -> Self {
        Self::SignedRequests(requests)
    }
}

/// A policy that would not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Two ways to prove who one is have one scheme word.
    #[error("two schemes have the word `{0}`: give each its own")]
    SchemeRepeated(String),
    /// A scheme word that a header cannot have (RFC 9110 section 11.1).
    #[error("`{0}` cannot be a scheme word: use letters, digits and hyphens")]
    SchemeMalformed(String),
    /// A realm that a header cannot have.
    #[error("`{0}` cannot be a realm: use printable ASCII without quotes and backslashes")]
    RealmMalformed(String),
    /// No secret to verify tokens with.
    #[error("there is no shared secret to verify tokens with: give at least one")]
    NoSecret,
    /// No public key to verify tokens with.
    #[error("there is no public key to verify tokens with: give at least one")]
    NoKey,
    /// Clocks that differ more than this are no clocks.
    #[error("a leeway or a tolerance of more than {} minutes lets expired tokens pass", MAX_LEEWAY.as_secs() / 60)]
    LeewayTooLong,
    /// No algorithm is allowed.
    #[error("no algorithm is allowed: name at least one, or none to have the usual ones")]
    NoAlgorithm,
    /// No spelling of the header is allowed.
    #[error("no spelling of the header is allowed: name at least one, or none to have all")]
    NoSpelling,
    /// The algorithm takes another kind of key.
    #[error("{0} takes another kind of key than this policy has")]
    AlgorithmUnfit(TokenAlgorithm),
    /// The one who validates decides on algorithms.
    #[error("whoever validates tokens decides on their algorithms: name none here")]
    RemoteAlgorithms,
    /// A secret is shorter than the hash of an algorithm.
    #[error("a shared secret is too short for {0}: use one of at least {bytes} bytes", bytes = .0.hash_bytes())]
    SecretTooShort(HmacAlgorithm),
    /// A key file cannot be read.
    #[error("{}: {cause}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The identity headers' names would not do.
    #[error(transparent)]
    IdentityHeaders(#[from] IdentityHeadersError),
}

impl Policy {
    /// Begins a policy that accepts this.
    pub fn accepting(scheme: impl Into<Scheme>) -> PolicyBuilder {
        PolicyBuilder {
            schemes: vec![scheme.into()],
            realm: None,
            groups: None,
            clock: Arc::new(SystemClock),
            identity_headers: IdentityHeaders::default(),
            tells_upstreams: false,
            challenges_forbidden: false,
            responder: None,
        }
    }

    /// The challenges of this policy (RFC 9110 section 11.6.1): what a service answers
    /// with to make a caller forget its credential.
    pub fn forget(&self) -> HeaderMap {
        let challenges = self.0.answers.challenges(false);
        challenges.map(|challenge| (WWW_AUTHENTICATE, challenge.clone())).collect()
    }

    /// The account that a request with these headers says it is of. **Nothing is
    /// proved**: good for a log, not for a decision.
    pub fn unverified_account(&self, headers: &HeaderMap) -> Option<AccountName> {
        self.0.ways.iter().find_map(|way| {
            let token = way.token(headers).ok()?;
            match way {
                Way::Bearer(tokens, _) => tokens.policy.unverified_account(&token),
                Way::Signed(..) => {
                    let token = countersign_core::UnverifiedToken::parse(&token).ok()?;
                    Some(token.unverified_claims().account().clone())
                }
            }
        })
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The answer to a request that may not pass.
    pub(crate) fn deny(&self, denial: Denial, is_grpc: bool) -> Response<Bytes> {
        self.0.answers.deny(denial, is_grpc)
    }
}

/// A policy that is being written.
#[must_use]
pub struct PolicyBuilder {
    schemes: Vec<Scheme>,
    realm: Option<String>,
    groups: Option<Arc<dyn GroupSource>>,
    clock: Arc<dyn Clock>,
    identity_headers: IdentityHeaders,
    tells_upstreams: bool,
    challenges_forbidden: bool,
    responder: Option<crate::answers::Responder>,
}

impl PolicyBuilder {
    /// Accepts this, too. Which of them a request uses is told by its scheme word.
    pub fn or(mut self, scheme: impl Into<Scheme>) -> Self {
        self.schemes.push(scheme.into());
        self
    }

    /// Says in the challenges what the credential is for (RFC 9110 section 11.5).
    pub fn realm(self, realm: impl Into<String>) -> Self {
        Self { realm: Some(realm.into()), ..self }
    }

    /// Asks for the groups of each account, or whether it is blocked.
    pub fn groups<F>(self, groups: F) -> Self
    where
        F: for<'a> Fn(
                &'a AccountName,
                &'a http::request::Parts,
            ) -> futures_util::future::BoxFuture<
                'a,
                Result<crate::Membership, crate::GroupsUnavailable>,
            > + Send
            + Sync
            + 'static,
    {
        self.group_source(Arc::new(groups))
    }

    /// The same with something that is more than a closure.
    pub fn group_source(self, groups: Arc<dyn GroupSource>) -> Self {
        Self { groups: Some(groups), ..self }
    }

    /// Tells upstreams who calls: the request goes on with these headers, set from the
    /// identity. They are taken away from what a client sends in any case.
    pub fn tell_upstreams(self, identity_headers: IdentityHeaders) -> Self {
        Self { identity_headers, tells_upstreams: true, ..self }
    }

    /// Answers those who are known but not allowed with 401 and a challenge, as
    /// `pyramid_jwtauth` does, instead of 403.
    pub fn challenge_the_forbidden(self) -> Self {
        Self { challenges_forbidden: true, ..self }
    }

    /// Answers in another way than with a problem document (RFC 9457): gets what is to
    /// be said and the answer with its status and headers, and gives the answer that
    /// is sent.
    pub fn answer_with(
        self,
        responder: impl Fn(Denial, Response<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        Self { responder: Some(Arc::new(responder)), ..self }
    }

    /// Judges by another clock, for tests.
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The policy.
    ///
    /// # Errors
    /// [`PolicyError`] says what would not do.
    pub fn build(self) -> Result<Policy, PolicyError> {
        self.identity_headers.check()?;
        let mut ways: Vec<Way> = Vec::with_capacity(self.schemes.len());
        for scheme in self.schemes {
            let way = match scheme {
                Scheme::BearerTokens(tokens) => {
                    let verifier = tokens.verifier()?;
                    if tokens.policy.leeway > MAX_LEEWAY {
                        return Err(PolicyError::LeewayTooLong);
                    }
                    tokens.warn_of_dangers();
                    Way::Bearer(tokens, verifier)
                }
                Scheme::SignedRequests(requests) => {
                    let SignedRequests { directory, guard, policy, spellings, credential_limit } =
                        requests;
                    if policy.algorithms.is_empty() {
                        return Err(PolicyError::NoAlgorithm);
                    }
                    if policy.tolerance > MAX_LEEWAY {
                        return Err(PolicyError::LeewayTooLong);
                    }
                    let clock = Arc::clone(&self.clock);
                    let authenticator = Authenticator::new(policy, directory, guard, clock);
                    Way::Signed(
                        spellings,
                        match credential_limit {
                            Some(limiter) => authenticator.with_credential_limit(limiter),
                            None => authenticator,
                        },
                    )
                }
            };
            let (Way::Bearer(BearerTokens { spellings, .. }, _) | Way::Signed(spellings, _)) = &way;
            if spellings.is_empty() {
                return Err(PolicyError::NoSpelling);
            }
            let word = way.scheme();
            if ways.iter().any(|other| other.scheme().eq_ignore_ascii_case(word)) {
                return Err(PolicyError::SchemeRepeated(word.to_owned()));
            }
            ways.push(way);
        }
        let challenges = ways.iter().map(|way| Challenge::new(way, self.realm.as_deref()));
        let challenges = challenges.collect::<Result<Vec<_>, _>>()?;
        let answers = Answers::new(challenges, self.challenges_forbidden, self.responder);
        Ok(Policy(Arc::new(Inner {
            ways,
            groups: self.groups,
            clock: self.clock,
            identity_headers: self.identity_headers,
            tells_upstreams: self.tells_upstreams,
            answers,
        })))
    }
}
