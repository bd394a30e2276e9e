//! Why a credential was refused: for the log and the operator, never for the
//! caller, who gets one answer whatever the reason.

use std::fmt;

use crate::names::AccountName;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// A reason with a stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code, which never changes its meaning.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

reasons! {
    /// There is no Authorization header.
    HeaderMissing = "header_missing",
    /// There is more than one Authorization header.
    HeaderRepeated = "header_repeated",
    /// The Authorization header does not follow the grammar.
    HeaderMalformed = "header_malformed",
    /// The Authorization header uses another scheme.
    SchemeOther = "scheme_other",
    /// The token is longer than the limit.
    TokenTooLong = "token_too_long",
    /// The token is no compact JWS (RFC 7515 section 7.1).
    TokenMalformed = "token_malformed",
    /// The token's header names extensions that must be understood (`crit`, `b64`).
    CriticalHeader = "critical_header",
    /// The token's algorithm is not supported.
    AlgorithmUnsupported = "algorithm_unsupported",
    /// The token's algorithm is supported but the policy does not allow it.
    AlgorithmNotAllowed = "algorithm_not_allowed",
    /// The claims are no JSON object, or a registered claim has another form.
    ClaimsMalformed = "claims_malformed",
    /// `username` is missing or no account name.
    UsernameMalformed = "username_malformed",
    /// `time` is missing or no positive number.
    TimeMalformed = "time_malformed",
    /// `nonce` is missing, empty, zero, too long, or neither string nor number.
    NonceMalformed = "nonce_malformed",
    /// `time` is too far from now: clocks differ, or the token is old.
    OutsideWindow = "outside_window",
    /// `exp` has passed.
    Expired = "expired",
    /// `nbf` has not come yet.
    NotYetValid = "not_yet_valid",
    /// `iat` is in the future.
    IssuedInTheFuture = "issued_in_the_future",
    /// `aud` does not name this service, or is missing where it is required.
    AudienceOther = "audience_other",
    /// `iss` names another issuer.
    IssuerOther = "issuer_other",
    /// A claim that the policy requires is missing.
    ClaimMissing = "claim_missing",
    /// The claim that names the account is missing or no account name.
    AccountClaim = "account_claim",
    /// The claim that lists groups has another form, or a name that no group can have.
    GroupsClaim = "groups_claim",
    /// The token was made for another method, URI or body, or for none where
    /// that is required.
    BindingOther = "binding_other",
    /// There is no account of this name.
    AccountUnknown = "account_unknown",
    /// The account has no key with this `kid`, or none for this algorithm.
    KeyUnknown = "key_unknown",
    /// The account has more than four keys for this algorithm and the token has no `kid`.
    KidRequired = "kid_required",
    /// The signature is not by the account's key.
    SignatureInvalid = "signature_invalid",
    /// The signature is right, but the account is disabled.
    AccountDisabled = "account_disabled",
    /// The signature is right, but the key was revoked.
    KeyRevoked = "key_revoked",
    /// The signature is right, but the key has expired.
    KeyExpired = "key_expired",
    /// There is no such API key.
    ApiKeyUnknown = "api_key_unknown",
    /// There is no such refresh token.
    RefreshTokenUnknown = "refresh_token_unknown",
    /// The refresh token has expired.
    RefreshTokenExpired = "refresh_token_expired",
    /// The claimed identifier is not the one the API key was registered for.
    IdentifierOther = "identifier_other",
    /// The access token was revoked, or all of its account.
    TokenRevoked = "token_revoked",
    /// Whoever was asked about the token says that it is no good: forged, revoked, or its
    /// account disabled.
    ValidatorRefused = "validator_refused",
    /// Whoever knows the service's accounts does not let this one in.
    AccountBlocked = "account_blocked",
    /// The token was used before.
    Replayed = "replayed",
    /// The account has spent so many nonces lately that it must wait.
    ShareUsedUp = "share_used_up",
    /// More requests came from this address than one may send.
    AddressOverLimit = "address_over_limit",
    /// More requests came with this credential than one may send.
    CredentialOverLimit = "credential_over_limit",
    /// The account is not in a group that the policy asks for.
    NotAllowed = "not_allowed",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A refused credential.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The account that the credential claims, proved or not.
    pub claimed_account: Option<AccountName>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { reason, claimed_account: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {}", self.reason)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        let codes: std::collections::HashSet<_> =
            Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
    }
}
