//! Access tokens: short-lived JWTs (RFC 7519) that Countersign signs, in the form
//! that `jwthenticator` gives them.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use crate::json::{Value, WrongType, pick};
use crate::jws::{self, MAX_TOKEN_BYTES, Part, UnverifiedJws};
use crate::key::SignError;
use crate::key_ring::{KeyRing, SigningKey};
use crate::names::{AccountId, GroupName};
use crate::refusal::Reason;
use crate::time::UnixTime;
use crate::verified_access_token::VerifiedAccessToken;

/// How long an access token is good, unless configured.
pub const DEFAULT_ACCESS_TOKEN_LIFETIME: Duration = Duration::from_mins(15);

/// What an installation puts into its access tokens and asks of them.
#[derive(Clone, Debug)]
pub struct AccessTokenPolicy {
    /// Who issues (`iss`), if it is to be said.
    pub issuer: Option<String>,
    /// For whom the tokens are (`aud`), if for anybody in particular.
    pub audience: Vec<String>,
    /// How long they are good.
    pub lifetime: Duration,
    /// Which members they have.
    pub form: AccessTokenForm,
}

/// Which members a token has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokenForm {
    /// The original's, and `sub`, `jti`, `iss` and `groups`.
    Full,
    /// The original's alone: its own server refuses tokens with more.
    Original,
    /// The original's and `sub`, for installations in which the claimed
    /// `identifier` need not be the account's own.
    OriginalWithSubject,
}

impl Default for AccessTokenPolicy {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: Vec::new(),
            lifetime: DEFAULT_ACCESS_TOKEN_LIFETIME,
            form: AccessTokenForm::Full,
        }
    }
}

/// To whom a token is issued.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The account that proved itself (`sub`).
    pub account: AccountId,
    /// The identifier it claims (`identifier`): its own id, unless a
    /// compatibility setting lets it claim another.
    pub identifier: Uuid,
    /// The groups it is in.
    pub groups: Arc<[GroupName]>,
    /// The token's own id, from [`TokenIds::draw`](crate::TokenIds::draw).
    pub token_id: Uuid,
}

/// Why a token is not issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The key cannot sign, or only its public half is here.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The form has no member for the account, and the identifier is another's.
    #[error("the token cannot say which account it is of, and the identifier is not its own")]
    AccountUnsaid,
    /// The groups, or the key's name, make it longer than tokens are read.
    #[error(
        "the token would have {0} bytes, more than {MAX_TOKEN_BYTES}: are there too many groups?"
    )]
    TooLong(usize),
}

/// What a verified access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessClaims {
    /// The token's own id (`token_id`, `jti`), by which it can be revoked.
    pub token_id: Uuid,
    /// The identifier the caller claimed.
    pub identifier: Uuid,
    /// The account that proved itself, if the token says so; else it is the
    /// one with the id `identifier`.
    pub account: Option<AccountId>,
    /// When it was issued.
    pub issued_at: UnixTime,
    /// From when on it is refused.
    pub expires_at: UnixTime,
}

/// What is written into a token.
#[derive(Serialize)]
struct Claims<'a> {
    token_id: Uuid,
    identifier: Uuid,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    aud: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<AccountId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    groups: &'a [GroupName],
}

impl AccessTokenPolicy {
    /// Signs a token that is good from `now` on, with the
    /// [active](KeyRing::active) key of a ring.
    ///
    /// # Errors
    /// [`IssueError`] if the key cannot sign, or the token could not be used.
    pub fn issue(
        &self,
        key: &SigningKey,
        grant: &Grant,
        now: UnixTime,
    ) -> Result<String, IssueError> {
        if self.form == AccessTokenForm::Original && grant.account.0 != grant.identifier {
            return Err(IssueError::AccountUnsaid);
        }
        let private = key.private_key.as_ref().ok_or(SignError::NoPrivateKey)?;
        let claims = self.claims(grant, now);
        let token = jws::write(private, key.algorithm, Some(&key.kid), &claims)?;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(IssueError::TooLong(token.len()));
        }
        Ok(token)
    }

    fn claims<'a>(&'a self, grant: &'a Grant, now: UnixTime) -> Claims<'a> {
        let is_full = self.form == AccessTokenForm::Full;
        Claims {
            token_id: grant.token_id,
            identifier: grant.identifier,
            iat: now.as_secs(),
            exp: (now + self.lifetime).as_secs(),
            aud: &self.audience,
            sub: (self.form != AccessTokenForm::Original).then_some(grant.account),
            jti: is_full.then_some(grant.token_id),
            iss: self.issuer.as_deref().filter(|_| is_full),
            groups: if is_full { &grant.groups } else { &[] },
        }
    }

    /// Verifies a token against the keys of a ring. Whether it was revoked, or
    /// its account disabled since, is not written in it.
    ///
    /// ```
    /// use countersign_core::{
    ///     AccessTokenPolicy, AccountId, Algorithm, Grant, KeyKind, KeyRing, PrivateKey, SigningKey,
    ///     UnixTime,
    /// };
    ///
    /// let now = UnixTime::from_secs(1_800_000_000);
    /// let policy = AccessTokenPolicy::default();
    /// let key = SigningKey::new(PrivateKey::generate(KeyKind::P256)?, Algorithm::Es256, now);
    /// let ring = KeyRing::new(vec![key.clone()])?;
    ///
    /// let id = uuid::uuid!("3fa85f64-5717-4562-b3fc-2c963f66afa6");
    /// let token_id = uuid::uuid!("5f0c2c5e-40a5-4f0e-9d53-6a6b0f9d6f43");
    /// let grant = Grant { account: AccountId(id), identifier: id, groups: [].into(), token_id };
    /// let token = policy.issue(&key, &grant, now)?;
    /// let verified = policy.verify(&token, &ring, now).expect("a token of ours");
    /// assert_eq!(verified.claims().identifier, id);
    /// assert!(policy.verify(&token, &ring, now + policy.lifetime).is_err(), "expired");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`Reason`] for the log.
    pub fn verify(
        &self,
        token: &str,
        ring: &KeyRing,
        now: UnixTime,
    ) -> Result<VerifiedAccessToken, Reason> {
        let jws = UnverifiedJws::parse(token)?;
        let kid = jws.kid.as_deref().ok_or(Reason::KeyUnknown)?;
        let key = ring.verifier(kid, jws.algorithm, now).ok_or(Reason::KeyUnknown)?;
        if !key.public_key.verify(jws.algorithm, jws.signing_input, &jws.signature) {
            return Err(Reason::SignatureInvalid);
        }
        let mut payload = Part::new();
        let claims = self.read(jws.payload(&mut payload)?)?;
        if claims.expires_at <= now {
            return Err(Reason::Expired);
        }
        Ok(VerifiedAccessToken::checked(claims))
    }

    /// Reads the payload of a token that was signed by a key of the ring, perhaps
    /// under a former configuration: `iss` and `sub` may be missing.
    fn read(&self, payload: &[u8]) -> Result<AccessClaims, Reason> {
        let names = ["token_id", "identifier", "sub", "iat", "exp", "aud", "iss"];
        let [token_id, identifier, sub, iat, exp, aud, iss] =
            pick(payload, &names).ok_or(Reason::ClaimsMalformed)?;
        let audience = aud.map(Value::strings).transpose().map_err(|_| Reason::ClaimsMalformed)?;
        let is_for_us = match audience {
            None => self.audience.is_empty(),
            Some(audience) => audience.iter().any(|name| self.audience.contains(name)),
        };
        if !is_for_us {
            return Err(Reason::AudienceOther);
        }
        if let (Some(ours), Some(theirs)) = (&self.issuer, iss)
            && theirs.string().ok().as_deref() != Some(ours)
        {
            return Err(Reason::IssuerOther);
        }
        Ok(AccessClaims {
            token_id: uuid(token_id).ok_or(Reason::ClaimsMalformed)?,
            identifier: uuid(identifier).ok_or(Reason::ClaimsMalformed)?,
            account: match sub {
                None => None,
                Some(_) => Some(AccountId(uuid(sub).ok_or(Reason::ClaimsMalformed)?)),
            },
            issued_at: seconds(iat).map_err(|_| Reason::ClaimsMalformed)?,
            expires_at: seconds(exp).map_err(|_| Reason::ClaimsMalformed)?,
        })
    }
}

fn uuid(member: Option<Value<'_>>) -> Option<Uuid> {
    Uuid::try_parse(&member?.string().ok()?).ok()
}

/// A `NumericDate` (RFC 7519 section 2), rounded down.
fn seconds(member: Option<Value<'_>>) -> Result<UnixTime, WrongType> {
    let (micros, _) = member.ok_or(WrongType)?.number()?.floor_micros().ok_or(WrongType)?;
    Ok(UnixTime::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::algorithm::Algorithm;
    use crate::key::{KeyKind, PrivateKey, RsaBits};

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn key(algorithm: Algorithm) -> SigningKey {
        let kind = match algorithm {
            Algorithm::EdDsa => KeyKind::Ed25519,
            Algorithm::Es256 => KeyKind::P256,
            Algorithm::Es384 => KeyKind::P384,
            _ => KeyKind::Rsa(RsaBits::B2048),
        };
        SigningKey::new(PrivateKey::generate(kind).unwrap(), algorithm, NOW)
    }

    fn ring(key: &SigningKey) -> KeyRing {
        KeyRing::new(vec![key.clone()]).unwrap()
    }

    fn grant() -> Grant {
        Grant {
            account: AccountId(Uuid::from_u128(7)),
            identifier: Uuid::from_u128(8),
            groups: [GroupName::new("ops").unwrap()].into(),
            token_id: Uuid::from_u128(9),
        }
    }

    fn payload(token: &str) -> Json {
        use base64::Engine as _;
        let part = token.split('.').nth(1).unwrap();
        let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice(&json).unwrap()
    }

    /// A token with any claims, rightly signed.
    fn signed(key: &SigningKey, claims: &Json) -> String {
        let private = key.private_key.as_ref().unwrap();
        jws::write(private, key.algorithm, Some(&key.kid), claims).unwrap()
    }

    #[test]
    fn a_token_of_every_algorithm_is_verified() {
        for algorithm in Algorithm::ALL {
            let (key, policy) = (key(algorithm), AccessTokenPolicy::default());
            let token = policy.issue(&key, &grant(), NOW).unwrap();
            let verified = policy.verify(&token, &ring(&key), NOW).unwrap();
            let claims = verified.claims();
            assert_eq!(claims.identifier, Uuid::from_u128(8));
            assert_eq!(claims.account, Some(AccountId(Uuid::from_u128(7))));
            assert_eq!(claims.token_id, Uuid::from_u128(9));
            assert_eq!(claims.expires_at, NOW + DEFAULT_ACCESS_TOKEN_LIFETIME);
        }
    }

    #[test]
    fn each_form_has_its_members_and_no_others() {
        let key = key(Algorithm::EdDsa);
        let members = |form| {
            let policy = AccessTokenPolicy {
                issuer: Some("https://auth.example".into()),
                form,
                ..AccessTokenPolicy::default()
            };
            let own = Grant { identifier: grant().account.0, ..grant() };
            let claims = payload(&policy.issue(&key, &own, NOW).unwrap());
            claims.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(members(AccessTokenForm::Original), "exp iat identifier token_id");
        let with_subject = members(AccessTokenForm::OriginalWithSubject);
        assert_eq!(with_subject, "exp iat identifier sub token_id");
        assert_eq!(
            members(AccessTokenForm::Full),
            "exp groups iat identifier iss jti sub token_id"
        );
    }

    #[test]
    fn a_token_is_good_to_the_second_that_it_says() {
        let (key, policy) = (key(Algorithm::EdDsa), AccessTokenPolicy::default());
        let token = policy.issue(&key, &grant(), NOW).unwrap();
        let end = NOW + policy.lifetime;
        let last = UnixTime::from_micros(end.as_micros() - 1);
        assert!(policy.verify(&token, &ring(&key), last).is_ok());
        assert_eq!(policy.verify(&token, &ring(&key), end), Err(Reason::Expired));
    }

    #[test]
    fn audience_and_issuer_must_be_ours() {
        let key = key(Algorithm::EdDsa);
        let policy = |audience: &[&str], issuer: Option<&str>| AccessTokenPolicy {
            audience: audience.iter().map(|name| (*name).to_owned()).collect(),
            issuer: issuer.map(str::to_owned),
            ..AccessTokenPolicy::default()
        };
        let verify = |issuing: &AccessTokenPolicy, verifying: &AccessTokenPolicy| {
            let token = issuing.issue(&key, &grant(), NOW).unwrap();
            verifying.verify(&token, &ring(&key), NOW).map(drop)
        };
        let (none, ab, bc) =
            (policy(&[], None), policy(&["a", "b"], None), policy(&["b", "c"], None));
        assert_eq!(verify(&ab, &bc), Ok(()));
        assert_eq!(verify(&ab, &policy(&["c"], None)), Err(Reason::AudienceOther));
        assert_eq!(verify(&none, &ab), Err(Reason::AudienceOther));
        assert_eq!(verify(&ab, &none), Err(Reason::AudienceOther));
        let (ours, other) = (policy(&[], Some("ours")), policy(&[], Some("other")));
        assert_eq!(verify(&ours, &ours), Ok(()));
        assert_eq!(verify(&other, &ours), Err(Reason::IssuerOther));
    }

    #[test]
    fn what_is_not_ours_is_refused_by_its_reason() {
        let (ours, stranger) = (key(Algorithm::EdDsa), key(Algorithm::EdDsa));
        let policy = AccessTokenPolicy::default();
        let verify = |token: &str| policy.verify(token, &ring(&ours), NOW).unwrap_err();
        let token = policy.issue(&stranger, &grant(), NOW).unwrap();
        assert_eq!(verify(&token), Reason::KeyUnknown);
        let mut forged = stranger.clone();
        forged.kid = ours.kid.clone();
        let token = policy.issue(&forged, &grant(), NOW).unwrap();
        assert_eq!(verify(&token), Reason::SignatureInvalid);
        assert_eq!(verify("a.b.c"), Reason::TokenMalformed);
        let good = payload(&policy.issue(&ours, &grant(), NOW).unwrap());
        for (member, value) in [
            ("token_id", json!("x")),
            ("identifier", Json::Null),
            ("sub", json!("admin")),
            ("exp", json!("1900000000")),
            ("iat", json!(true)),
            ("aud", json!(1)),
        ] {
            let mut claims = good.clone();
            claims[member] = value;
            assert_eq!(verify(&signed(&ours, &claims)), Reason::ClaimsMalformed, "{member}");
        }
        let mut forever = good;
        forever.as_object_mut().unwrap().remove("exp");
        assert_eq!(verify(&signed(&ours, &forever)), Reason::ClaimsMalformed);
    }

    #[test]
    fn a_key_without_its_private_half_signs_nothing() {
        let mut key = key(Algorithm::Es256);
        key.private_key = None;
        let issued = AccessTokenPolicy::default().issue(&key, &grant(), NOW);
        assert_eq!(issued, Err(IssueError::Sign(SignError::NoPrivateKey)));
    }

    #[test]
    fn no_token_is_issued_that_could_not_be_used() {
        let key = key(Algorithm::EdDsa);
        let policy =
            AccessTokenPolicy { form: AccessTokenForm::Original, ..AccessTokenPolicy::default() };
        let issued = policy.issue(&key, &grant(), NOW);
        assert_eq!(issued, Err(IssueError::AccountUnsaid));
        let group = |number: usize| GroupName::new(&format!("{number:064}")).unwrap();
        let many = Grant { groups: (0..256).map(group).collect(), ..grant() };
        let issued = AccessTokenPolicy::default().issue(&key, &many, NOW);
        assert!(matches!(issued, Err(IssueError::TooLong(_))), "{issued:?}");
    }
}
