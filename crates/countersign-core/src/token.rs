//! The way of a signed request from text to identity.
//!
//! Each step is a type that only the step before can make:
//! [`UnverifiedToken`] -> [`VerifiedToken`] -> [`Identity`].

use std::sync::Arc;

use smallvec::SmallVec;

use crate::claims::{RequestBinding, SignedRequestClaims};
use crate::crypto::SignatureVerifier;
use crate::decoy::Decoys;
use crate::identity::Identity;
use crate::jws::{Part, UnverifiedJws};
use crate::key::PublicKey;
use crate::names::AccountId;
use crate::ports::{
    AccountKeys, Credential, GuardError, RegisteredKey, ReplayGuard, ReplayKey, Spend,
};
use crate::refusal::Reason;
use crate::signed_request_policy::{Binding, SignedRequestPolicy};
use crate::time::UnixTime;

/// How many signature checks a token without `kid` costs, always.
pub const CHECKS_WITHOUT_KID: usize = 4;

/// A token whose form is right; nothing it says has been proved.
pub struct UnverifiedToken<'a> {
    jws: UnverifiedJws<'a>,
    /// Boxed, because a token is moved from step to step.
    claims: Box<SignedRequestClaims>,
}

/// What a token is verified with.
pub struct Verification<'a> {
    /// What the service accepts.
    pub policy: &'a SignedRequestPolicy,
    /// The provider that checks signatures.
    pub verifier: &'a dyn SignatureVerifier,
    /// What is checked where the account has no key.
    pub decoys: &'a Decoys,
    /// The present instant.
    pub now: UnixTime,
    /// The request at hand, where the policy binds tokens to requests.
    pub request: Option<&'a RequestBinding>,
}

/// A token that its account's key has signed and that is within its window. It
/// may have been used before.
#[derive(Debug)]
pub struct VerifiedToken {
    account: Arc<AccountKeys>,
    key: PublicKey,
    claims: Box<SignedRequestClaims>,
}

impl<'a> UnverifiedToken<'a> {
    /// Reads a compact JWS with the claims of a signed request.
    ///
    /// # Errors
    /// A [`Reason`] that depends on the token alone.
    pub fn parse(token: &'a str) -> Result<Self, Reason> {
        let jws = UnverifiedJws::parse(token)?;
        let mut payload = Part::new();
        let claims = Box::new(SignedRequestClaims::read(jws.payload(&mut payload)?)?);
        Ok(Self { jws, claims })
    }

    /// What the token says about itself, unproved.
    pub fn unverified_claims(&self) -> &SignedRequestClaims {
        &self.claims
    }

    /// The key the token says it was signed with, unproved.
    pub fn unverified_kid(&self) -> Option<&str> {
        self.jws.kid.as_deref()
    }

    /// Checks the token against what is known of the account it claims.
    ///
    /// What depends on the token alone is checked first. Then the same number
    /// of signature checks of the same kind and length is made whether or not
    /// the account exists, and only a right signature learns anything about the
    /// account's state.
    ///
    /// # Errors
    /// A [`Reason`] for the log; the caller must not learn it.
    pub fn verify(
        self,
        account: Option<&Arc<AccountKeys>>,
        with: &Verification<'_>,
    ) -> Result<VerifiedToken, Reason> {
        self.check_policy(with)?;
        // A directory that looks names up without regard to case, as some
        // databases do, must not make one account of `Alice` and `alice`.
        let account = account.filter(|account| account.name == *self.claims.account());
        let signer = self.find_signer(account, with)?;
        let (account, key) = match (account, signer) {
            (Some(account), Some(key)) => (account, key),
            (None, _) => return Err(Reason::AccountUnknown),
            (Some(account), None) => return Err(self.why_no_signer(account, with.now)),
        };
        check_standing(account, key, with.now)?;
        Ok(VerifiedToken {
            key: key.key.clone(),
            account: Arc::clone(account),
            claims: self.claims,
        })
    }

    fn check_policy(&self, with: &Verification<'_>) -> Result<(), Reason> {
        self.check_algorithm(with)?;
        self.check_times(with)?;
        self.check_audience(with)
    }

    /// That the policy allows the algorithm, and a signature of it can have this length.
    pub(crate) fn check_algorithm(&self, with: &Verification<'_>) -> Result<(), Reason> {
        if !with.policy.algorithms.contains(&self.jws.algorithm) {
            return Err(Reason::AlgorithmNotAllowed);
        }
        match with.decoys.key(self.jws.algorithm, self.jws.signature.len()) {
            Some(_) => Ok(()),
            None => Err(Reason::SignatureInvalid),
        }
    }

    /// That it was made within the window, and is good by its other instants.
    pub(crate) fn check_times(&self, with: &Verification<'_>) -> Result<(), Reason> {
        self.claims.check_times(with.now, with.policy.tolerance)
    }

    /// That it was made for this service and, where the policy demands that, this request.
    pub(crate) fn check_audience(&self, with: &Verification<'_>) -> Result<(), Reason> {
        let policy = with.policy;
        let is_ours = |name: &String| policy.audiences.contains(name);
        let is_for_us = match (self.claims.audience(), policy.binding) {
            (None, binding) => binding == Binding::Free,
            (Some(audience), Binding::Audience) => {
                !audience.is_empty() && audience.iter().all(is_ours)
            }
            (Some(audience), _) => audience.iter().any(is_ours),
        };
        if !is_for_us {
            return Err(Reason::AudienceOther);
        }
        let bound = self.claims.binding().is_some() && self.claims.binding() == with.request;
        if policy.binding == Binding::Required && !bound {
            return Err(Reason::BindingOther);
        }
        Ok(())
    }

    /// The key of the account that made the signature.
    ///
    /// One check with a `kid`, [`CHECKS_WITHOUT_KID`] without: each of a key of
    /// the account or of a decoy, none left out because another succeeded.
    pub(crate) fn find_signer<'k>(
        &self,
        account: Option<&'k Arc<AccountKeys>>,
        with: &Verification<'_>,
    ) -> Result<Option<&'k RegisteredKey>, Reason> {
        let length = self.jws.signature.len();
        let decoy = with.decoys.key(self.jws.algorithm, length).ok_or(Reason::SignatureInvalid)?;
        let checks = if self.jws.kid.is_some() { 1 } else { CHECKS_WITHOUT_KID };
        let mut candidates =
            account.into_iter().flat_map(|account| self.candidates(account, with.now));
        let mut signer = None;
        for _ in 0..checks {
            let candidate = candidates.next();
            let key = candidate.map_or(decoy, |candidate| &candidate.key);
            let right = with.verifier.verify(
                key,
                self.jws.algorithm,
                self.jws.signing_input,
                &self.jws.signature,
            );
            if right && signer.is_none() {
                signer = candidate;
            }
        }
        Ok(signer)
    }

    /// The account's keys that can have made this signature: those that the
    /// `kid` means, or, without one, all that the algorithm may be used with.
    /// Usable ones come first, so that keys that were replaced do not use up
    /// the checks.
    fn candidates<'k>(
        &self,
        account: &'k AccountKeys,
        now: UnixTime,
    ) -> impl Iterator<Item = &'k RegisteredKey> {
        let fits = |key: &&RegisteredKey| {
            key.allows(self.jws.algorithm)
                && key.key.can_have_made(&self.jws.signature)
                && self.jws.kid.as_deref().is_none_or(|kid| key.answers_to(kid))
        };
        let mut keys: SmallVec<[_; CHECKS_WITHOUT_KID]> =
            account.keys.iter().filter(fits).collect();
        keys.sort_by_key(|key| key.revoked || key.has_expired(now));
        keys.into_iter()
    }

    pub(crate) fn why_no_signer(&self, account: &AccountKeys, now: UnixTime) -> Reason {
        match self.candidates(account, now).count() {
            0 => Reason::KeyUnknown,
            n if n > CHECKS_WITHOUT_KID && self.jws.kid.is_none() => Reason::KidRequired,
            _ => Reason::SignatureInvalid,
        }
    }
}

/// That neither the account nor the key that signed is withdrawn.
pub(crate) fn check_standing(
    account: &AccountKeys,
    key: &RegisteredKey,
    now: UnixTime,
) -> Result<(), Reason> {
    if account.disabled {
        return Err(Reason::AccountDisabled);
    }
    // A key that was withdrawn stays withdrawn where the account has it a
    // second time, for example through its JWKS.
    if account.keys.iter().any(|other| other.revoked && other.key == key.key) {
        return Err(Reason::KeyRevoked);
    }
    if key.has_expired(now) {
        return Err(Reason::KeyExpired);
    }
    Ok(())
}

impl VerifiedToken {
    /// Whose it is.
    pub fn account_id(&self) -> AccountId {
        self.account.id
    }

    /// The key that signed it.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The claims, now proved to be the account's.
    pub fn claims(&self) -> &SignedRequestClaims {
        &self.claims
    }

    /// Spends the token's nonce; the only way to an identity.
    ///
    /// # Errors
    /// [`GuardError`] if the token was used before or the use could not be recorded.
    pub async fn spend(
        self,
        guard: &dyn ReplayGuard,
        policy: &SignedRequestPolicy,
    ) -> Result<Identity, GuardError> {
        let spend = Spend {
            key: ReplayKey::of(&self.claims),
            account: self.claims.account(),
            time: self.claims.time().floor(),
            tolerance: policy.tolerance,
        };
        guard.spend(spend).await?;
        let identity = Identity::proved(&self.account, Credential::PublicKey(self.key));
        Ok(identity.with_claims(self.claims.into_json()))
    }
}
