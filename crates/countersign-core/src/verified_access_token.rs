//! An access token that was ours when it was checked, and what has happened since.

use std::sync::Arc;

use crate::access_token::AccessClaims;
use crate::identity::Identity;
use crate::key_ring::LATE_SIGNATURES;
use crate::names::AccountId;
use crate::ports::{AccountKeys, Credential, RegisteredApiKey};
use crate::refusal::Reason;
use crate::time::UnixTime;
use crate::token_id::TokenIds;

/// An access token whose signature was checked and which had not expired then. What
/// has happened since is looked up each time: the token may be kept, but not trusted
/// longer than that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAccessToken(AccessClaims);

impl VerifiedAccessToken {
    /// The one constructor.
    pub(crate) fn checked(claims: AccessClaims) -> Self {
        Self(claims)
    }

    /// What it says.
    pub fn claims(&self) -> &AccessClaims {
        &self.0
    }

    /// The account that proved itself when the token was bought.
    pub fn account(&self) -> AccountId {
        self.0.account.unwrap_or(AccountId(self.0.identifier))
    }

    /// The caller, if the token is still good: `account` is what is known of its
    /// [`account`](Self::account) now. Whether the token was revoked by its id is not
    /// known here.
    ///
    /// # Errors
    /// A [`Reason`] for the log.
    pub fn admit(
        &self,
        account: Option<Arc<AccountKeys>>,
        ids: &TokenIds,
        now: UnixTime,
    ) -> Result<Identity, Reason> {
        let AccessClaims { token_id, identifier, issued_at, expires_at, .. } = self.0;
        if expires_at <= now {
            return Err(Reason::Expired);
        }
        let account = account.ok_or(Reason::AccountUnknown)?;
        if account.disabled {
            return Err(Reason::AccountDisabled);
        }
        // Tokens are dated in whole seconds: one of the second of the revocation may
        // be older than it.
        if account.tokens_revoked_at.is_some_and(|at| issued_at.as_secs() <= at.as_secs()) {
            return Err(Reason::TokenRevoked);
        }
        // A key buys nothing after its revocation, so long revoked ones are left out.
        let bought_with_revoked = |key: &RegisteredApiKey| {
            key.revoked_at.is_some_and(|at| issued_at <= at + LATE_SIGNATURES)
                && ids.was_bought_with(token_id, key.id)
        };
        if account.api_keys.iter().any(bought_with_revoked) {
            return Err(Reason::KeyRevoked);
        }
        let credential = Credential::AccessToken(token_id);
        Ok(Identity::proved(&account, credential).with_identifier(identifier))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::identity::Method;
    use crate::names::{AccountName, ApiKeyId};
    use crate::ports::Random;
    use crate::secret::{HashingSecret, SecretHash};

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    struct Sevens;

    impl Random for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn account(number: u128) -> AccountKeys {
        AccountKeys {
            id: AccountId(Uuid::from_u128(number)),
            name: AccountName::new("robot").unwrap(),
            groups: [].into(),
            disabled: false,
            keys: Vec::new(),
            api_keys: Vec::new(),
            tokens_revoked_at: None,
        }
    }

    fn api_key(number: u128, revoked_at: Option<UnixTime>) -> RegisteredApiKey {
        RegisteredApiKey {
            id: ApiKeyId(Uuid::from_u128(number)),
            hash: SecretHash::from_bytes([0; 32]),
            expires_at: Some(NOW),
            revoked_at,
        }
    }

    /// What becomes of a token that was bought with the API key 1 at `NOW` when it is
    /// shown a minute later, the account being as given.
    fn admitted(account: Option<AccountKeys>) -> Result<Identity, Reason> {
        let ids = TokenIds::new(&HashingSecret::generate(&Sevens));
        let verified = VerifiedAccessToken::checked(AccessClaims {
            token_id: ids.draw(ApiKeyId(Uuid::from_u128(1)), &Sevens),
            identifier: Uuid::from_u128(8),
            account: Some(AccountId(Uuid::from_u128(7))),
            issued_at: NOW,
            expires_at: NOW + Duration::from_mins(15),
        });
        assert_eq!(verified.account(), AccountId(Uuid::from_u128(7)));
        verified.admit(account.map(Arc::new), &ids, NOW + Duration::from_mins(1))
    }

    #[test]
    fn a_token_is_admitted_while_its_account_and_key_are_good() {
        let bought = || AccountKeys { api_keys: vec![api_key(1, None)], ..account(7) };
        let identity = admitted(Some(bought())).unwrap();
        assert_eq!(identity.claimed_identifier(), Some(Uuid::from_u128(8)));
        assert_eq!(identity.method(), Method::AccessToken);
        let refused = |account| admitted(account).unwrap_err();
        assert_eq!(refused(None), Reason::AccountUnknown);
        let disabled = AccountKeys { disabled: true, ..bought() };
        assert_eq!(refused(Some(disabled)), Reason::AccountDisabled);
        let revoked = AccountKeys { tokens_revoked_at: Some(NOW), ..bought() };
        assert_eq!(refused(Some(revoked)), Reason::TokenRevoked);
        let earlier = Some(NOW - Duration::from_secs(1));
        assert!(admitted(Some(AccountKeys { tokens_revoked_at: earlier, ..bought() })).is_ok());
    }

    #[test]
    fn revoking_a_key_ends_the_tokens_it_bought_and_no_others() {
        let with = |keys: Vec<RegisteredApiKey>| {
            admitted(Some(AccountKeys { api_keys: keys, ..account(7) })).map(drop)
        };
        let (now, long_ago) = (Some(NOW), Some(NOW - Duration::from_hours(1)));
        assert_eq!(with(vec![api_key(2, None), api_key(1, now)]), Err(Reason::KeyRevoked));
        assert_eq!(with(vec![api_key(1, None), api_key(2, now)]), Ok(()));
        assert_eq!(with(vec![api_key(1, long_ago)]), Ok(()), "it cannot have bought the token");
    }
}
