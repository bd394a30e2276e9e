//! Bearer tokens (RFC 6750): JWTs (RFC 7519) of any issuer that a service trusts.
//!
//! Other than a signed request, such a token may be used as often as its holder likes
//! until it expires.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::algorithm::{Algorithm, HmacAlgorithm, JwsAlgorithm};
use crate::decimal::Decimal;
use crate::identity::Identity;
use crate::json::{Members, Value};
use crate::jws::{Part, UnverifiedJws};
use crate::names::{AccountName, GroupName, MAX_GROUPS};
use crate::ports::{TokenValidator, ValidatorError};
use crate::refusal::Reason;
use crate::shared_secret::SharedSecret;
use crate::time::UnixTime;
use crate::trusted_keys::TrustedKeys;

/// The claim that names the account, unless configured (RFC 7519 section 4.1.2).
pub const DEFAULT_ACCOUNT_CLAIM: &str = "sub";

/// What a service asks of a bearer token besides a right signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BearerPolicy {
    /// Who may have issued it (`iss`); nobody in particular if empty.
    pub issuers: Vec<String>,
    /// The names this service goes by in `aud`. A token for somebody is accepted only
    /// if it is for one of them, and if there are any, every token must be.
    pub audiences: Vec<String>,
    /// Claims that must be there and not `null`.
    pub required_claims: Vec<String>,
    /// How far the issuer's clock and ours may differ: for `exp`, `nbf` and `iat`.
    pub leeway: Duration,
    /// The claim that names the account.
    pub account_claim: String,
    /// The claim that lists the account's groups, if a claim does: an array of names,
    /// or one name. A token without it is of no group.
    pub groups_claim: Option<String>,
    /// Checks that are left out. Each makes some token good that is not.
    pub dangerous_skip: Vec<Check>,
}

/// A check that a service may leave out, at its own risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Check {
    /// That the token is signed at all: anybody can be anyone.
    Signature,
    /// That there is an `exp`: a token without it is good for ever.
    ExpiryPresent,
    /// That `exp` has not passed: every token is good for ever.
    Expiry,
    /// That `nbf` has come.
    NotBefore,
    /// That `iat` is not in the future.
    IssuedAt,
    /// That the token is meant for this service: one that was made for another is good
    /// here, so whoever is shown it there can use it here.
    Audience,
}

impl Default for BearerPolicy {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            audiences: Vec::new(),
            required_claims: Vec::new(),
            leeway: Duration::ZERO,
            account_claim: DEFAULT_ACCOUNT_CLAIM.to_owned(),
            groups_claim: None,
            dangerous_skip: Vec::new(),
        }
    }
}

/// A bearer token whose signature and claims are right.
#[derive(Clone)]
pub struct VerifiedBearerToken {
    account: AccountName,
    groups: Arc<[GroupName]>,
    claims: Arc<str>,
}

/// Why a token was not verified by somebody else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// It is no good.
    #[error("refused: {0}")]
    Refused(Reason),
    /// Nobody can say.
    #[error(transparent)]
    Unavailable(#[from] ValidatorError),
}

impl BearerPolicy {
    /// Verifies a token with shared secrets, of which any may have made it.
    ///
    /// ```
    /// use countersign_core::{BearerPolicy, HmacAlgorithm, Issuer, SharedSecret, UnixTime};
    ///
    /// let now = UnixTime::from_secs(1_800_000_000);
    /// let secret = SharedSecret::new(b"correct horse battery staple and more")?;
    /// let token = Issuer::with_secret(secret.clone(), HmacAlgorithm::Hs256)
    ///     .issue("billing-worker-7", &(), now)?;
    ///
    /// let policy = BearerPolicy::default();
    /// let verified =
    ///     policy.verify_with_secrets(&token, &[secret], &[HmacAlgorithm::Hs256], now).unwrap();
    /// assert_eq!(verified.account().as_str(), "billing-worker-7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`Reason`] for the log; the caller must not learn it.
    pub fn verify_with_secrets(
        &self,
        token: &str,
        secrets: &[SharedSecret],
        algorithms: &[HmacAlgorithm],
        now: UnixTime,
    ) -> Result<VerifiedBearerToken, Reason> {
        let jws = UnverifiedJws::<HmacAlgorithm>::parse(token)?;
        if !algorithms.contains(&jws.algorithm) {
            return Err(Reason::AlgorithmNotAllowed);
        }
        let right =
            |secret: &SharedSecret| secret.verify(jws.algorithm, jws.signing_input, &jws.signature);
        if !self.skips(Check::Signature) && !secrets.iter().any(right) {
            return Err(Reason::SignatureInvalid);
        }
        self.judge(&jws, now)
    }

    /// Verifies a token with public keys. Whether they [still hold](TrustedKeys::hold_at)
    /// is for the caller to ask.
    ///
    /// # Errors
    /// A [`Reason`] for the log; the caller must not learn it.
    pub fn verify_with_keys(
        &self,
        token: &str,
        keys: &TrustedKeys,
        algorithms: &[Algorithm],
        now: UnixTime,
    ) -> Result<VerifiedBearerToken, Reason> {
        let jws = UnverifiedJws::<Algorithm>::parse(token)?;
        if !algorithms.contains(&jws.algorithm) {
            return Err(Reason::AlgorithmNotAllowed);
        }
        if !self.skips(Check::Signature) {
            let kid = jws.kid.as_deref();
            keys.verify(jws.algorithm, kid, jws.signing_input, &jws.signature)?;
        }
        self.judge(&jws, now)
    }

    /// Has a token verified by somebody who can tell, and reads its claims. They are
    /// judged first: a token that is no good anyway is not sent.
    ///
    /// # Errors
    /// [`RemoteError`] if the token is no good, or nobody can say.
    pub async fn verify_remotely(
        &self,
        token: &str,
        validator: &dyn TokenValidator,
        now: UnixTime,
    ) -> Result<VerifiedBearerToken, RemoteError> {
        let judged = UnverifiedJws::<Algorithm>::parse(token)
            .and_then(|jws| self.judge(&jws, now))
            .map_err(RemoteError::Refused)?;
        if !validator.validate(token).await? {
            return Err(RemoteError::Refused(Reason::ValidatorRefused));
        }
        Ok(judged)
    }

    /// The account that a token says it is of. Nothing is proved.
    pub fn unverified_account(&self, token: &str) -> Option<AccountName> {
        let payload = token.split('.').nth(1)?;
        let mut part = Part::<192>::new();
        let members = Members::read(part.decode(payload.as_bytes()).ok()?)?;
        self.account(&members).ok()
    }

    fn skips(&self, check: Check) -> bool {
        self.dangerous_skip.contains(&check)
    }

    fn judge<A: JwsAlgorithm>(
        &self,
        jws: &UnverifiedJws<'_, A>,
        now: UnixTime,
    ) -> Result<VerifiedBearerToken, Reason> {
        let mut part = Part::new();
        let payload = jws.payload(&mut part)?;
        let claims = Members::read(payload).ok_or(Reason::ClaimsMalformed)?;
        self.check_times(&claims, now)?;
        self.check_parties(&claims)?;
        let missing = |name: &String| claims.value(name).is_none_or(|value| value.text() == "null");
        if self.required_claims.iter().any(missing) {
            return Err(Reason::ClaimMissing);
        }
        // What was read as an object is UTF-8.
        let text = std::str::from_utf8(payload).map_err(|_| Reason::ClaimsMalformed)?;
        Ok(VerifiedBearerToken {
            account: self.account(&claims)?,
            groups: self.groups(&claims)?,
            claims: text.into(),
        })
    }

    /// RFC 7519 sections 4.1.4 to 4.1.6. A claim that is no number is a refusal even
    /// where its value is not looked at.
    fn check_times(&self, claims: &Members<'_>, now: UnixTime) -> Result<(), Reason> {
        let [expires, not_before, issued_at] =
            ["exp", "nbf", "iat"].map(|name| claims.value(name).map(read_time).transpose());
        let (earliest, latest) = (now - self.leeway, now + self.leeway);
        let is_after = |time: &Decimal, bound: UnixTime| {
            time.cmp_micros(bound.as_micros()) == Ordering::Greater
        };
        match expires? {
            None if !self.skips(Check::ExpiryPresent) && !self.skips(Check::Expiry) => {
                return Err(Reason::ClaimMissing);
            }
            Some(expiry) if !is_after(&expiry, earliest) && !self.skips(Check::Expiry) => {
                return Err(Reason::Expired);
            }
            _ => {}
        }
        let lies_ahead = |time: Option<Decimal>, check| {
            time.is_some_and(|time| is_after(&time, latest)) && !self.skips(check)
        };
        if lies_ahead(not_before?, Check::NotBefore) {
            return Err(Reason::NotYetValid);
        }
        if lies_ahead(issued_at?, Check::IssuedAt) {
            return Err(Reason::IssuedInTheFuture);
        }
        Ok(())
    }

    /// From whom and for whom it is (RFC 7519 sections 4.1.1 and 4.1.3).
    fn check_parties(&self, claims: &Members<'_>) -> Result<(), Reason> {
        let issuer = claims.string("iss").map_err(|_| Reason::ClaimsMalformed)?;
        let is_trusted = |issuer: &str| self.issuers.iter().any(|known| known == issuer);
        if !self.issuers.is_empty() && !issuer.is_some_and(|issuer| is_trusted(&issuer)) {
            return Err(Reason::IssuerOther);
        }
        let audience = claims.strings("aud").map_err(|_| Reason::ClaimsMalformed)?;
        let is_for_us = match audience {
            None => self.audiences.is_empty(),
            Some(audience) => audience.iter().any(|name| self.audiences.contains(name)),
        };
        if !is_for_us && !self.skips(Check::Audience) {
            return Err(Reason::AudienceOther);
        }
        Ok(())
    }

    fn account(&self, claims: &Members<'_>) -> Result<AccountName, Reason> {
        let name = claims.string(&self.account_claim).ok().flatten();
        AccountName::new(&name.ok_or(Reason::AccountClaim)?).map_err(|_| Reason::AccountClaim)
    }

    /// A name that cannot be a group's is a refusal: to leave it out might leave out
    /// what a rule denies.
    fn groups(&self, claims: &Members<'_>) -> Result<Arc<[GroupName]>, Reason> {
        let Some(claim) = &self.groups_claim else { return Ok(Arc::default()) };
        let names = claims.strings(claim).map_err(|_| Reason::GroupsClaim)?.unwrap_or_default();
        if names.len() > MAX_GROUPS {
            return Err(Reason::GroupsClaim);
        }
        let groups = names.iter().map(|name| GroupName::new(name));
        let mut groups: Vec<_> =
            groups.collect::<Result<_, _>>().map_err(|_| Reason::GroupsClaim)?;
        groups.sort();
        groups.dedup();
        Ok(groups.into())
    }
}

/// A number that is too large for most readers of JSON (RFC 8259 section 6) is malformed:
/// some stumble over it, others take it for infinity.
fn read_time(claim: Value<'_>) -> Result<Decimal, Reason> {
    let time = claim.number().map_err(|_| Reason::ClaimsMalformed)?;
    let is_usual = time.cmp_micros(i64::MIN) != Ordering::Less
        && time.cmp_micros(i64::MAX) != Ordering::Greater;
    let is_finite = || claim.text().parse().is_ok_and(f64::is_finite);
    if is_usual || is_finite() { Ok(time) } else { Err(Reason::ClaimsMalformed) }
}

impl VerifiedBearerToken {
    /// Whose it is.
    pub fn account(&self) -> &AccountName {
        &self.account
    }

    /// The groups that it says the account is in, sorted.
    pub fn groups(&self) -> &[GroupName] {
        &self.groups
    }

    /// Its payload, a JSON object.
    pub fn claims(&self) -> &str {
        &self.claims
    }

    /// The caller. Whether its account is blocked is not written in a token: whoever
    /// knows better than the token which groups it is in gives them with
    /// [`Identity::with_groups`].
    pub fn identity(self) -> Identity {
        Identity::of_bearer(self.account, self.groups, self.claims)
    }
}

/// Without the claims, which may say more of somebody than belongs into a log.
impl fmt::Debug for VerifiedBearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedBearerToken")
            .field("account", &self.account)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_that_every_reader_can_read() {
        let read = |text: &str| {
            let json = format!("{{\"exp\":{text}}}");
            let members = Members::read(json.as_bytes()).unwrap();
            read_time(members.value("exp").unwrap()).is_ok()
        };
        for good in ["0", "-1", "1.5e9", "9223372036854775807", "1e300"] {
            assert!(read(good), "{good}");
        }
        for bad in ["1e400", "-1.8e900", "\"1\"", "null"] {
            assert!(!read(bad), "{bad}");
        }
    }
}
