//! An account that has shown an API key or a refresh token, and what it may buy.

use std::sync::Arc;

use uuid::Uuid;

use crate::access_token::Grant;
use crate::identity::Identity;
use crate::names::ApiKeyId;
use crate::ports::{AccountKeys, Credential, Random, RefreshTokenRecord, RegisteredApiKey};
use crate::refusal::Reason;
use crate::secret::SecretHash;
use crate::time::UnixTime;
use crate::token_id::TokenIds;

/// Which identifier a key holder may claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdentifierRule {
    /// The one its key was registered for: its account's id.
    #[default]
    Own,
    /// Any, as in `jwthenticator`: whoever holds any key can claim to be anyone towards
    /// services that look at `identifier` and not at `sub`.
    DangerousAny,
}

/// Why nothing is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The caller may not have what it asks for: 401.
    #[error("refused: {0}")]
    Refused(Reason),
    /// The account's tokens were revoked within this very second, in which tokens
    /// cannot be told from those: 503.
    #[error("tokens can be had again from the next second on")]
    TooSoon,
}

/// An account that has shown one of its API keys, or what that key has bought.
#[derive(Clone, Debug)]
pub struct ApiKeyHolder {
    account: Arc<AccountKeys>,
    key: ApiKeyId,
}

impl ApiKeyHolder {
    /// Whoever shows the API key with that hash. `account` is the one that was found
    /// to have it.
    ///
    /// # Errors
    /// A [`Reason`] for the log.
    pub fn of_api_key(
        account: Option<Arc<AccountKeys>>,
        hash: &SecretHash,
        now: UnixTime,
    ) -> Result<Self, Reason> {
        let (account, key) = find(account, |key| key.hash == *hash, Reason::ApiKeyUnknown)?;
        if key.has_expired(now) {
            return Err(Reason::KeyExpired);
        }
        Self::unless_withdrawn(account, &key)
    }

    /// Whoever shows that refresh token. It goes on working when its key has expired,
    /// but not when its key was revoked. `account` is the one it was sold to.
    ///
    /// # Errors
    /// A [`Reason`] for the log.
    pub fn of_refresh_token(
        account: Option<Arc<AccountKeys>>,
        token: &RefreshTokenRecord,
        now: UnixTime,
    ) -> Result<Self, Reason> {
        if token.expires_at <= now {
            return Err(Reason::RefreshTokenExpired);
        }
        let unknown = Reason::RefreshTokenUnknown;
        let (account, key) = find(account, |key| key.id == token.api_key, unknown)?;
        Self::unless_withdrawn(account, &key)
    }

    fn unless_withdrawn(account: Arc<AccountKeys>, key: &RegisteredApiKey) -> Result<Self, Reason> {
        if key.revoked_at.is_some() {
            return Err(Reason::KeyRevoked);
        }
        if account.disabled {
            return Err(Reason::AccountDisabled);
        }
        Ok(Self { account, key: key.id })
    }

    /// The account.
    pub fn account(&self) -> &AccountKeys {
        &self.account
    }

    /// The key that it showed, or that bought what it showed.
    pub fn key(&self) -> ApiKeyId {
        self.key
    }

    /// What an access token for it says, if it claims this identifier.
    ///
    /// # Errors
    /// [`GrantError`].
    pub fn grant(
        &self,
        identifier: Uuid,
        rule: IdentifierRule,
        ids: &TokenIds,
        (now, random): (UnixTime, &dyn Random),
    ) -> Result<Grant, GrantError> {
        let account = &self.account;
        if rule == IdentifierRule::Own && identifier != account.id.0 {
            return Err(GrantError::Refused(Reason::IdentifierOther));
        }
        if account.tokens_revoked_at.is_some_and(|at| now.as_secs() <= at.as_secs()) {
            return Err(GrantError::TooSoon);
        }
        Ok(Grant {
            account: account.id,
            identifier,
            groups: Arc::clone(&account.groups),
            token_id: ids.draw(self.key, random),
        })
    }

    /// The caller, where the key itself is its credential.
    pub fn identity(self) -> Identity {
        Identity::proved(&self.account, Credential::ApiKey(self.key))
    }
}

fn find(
    account: Option<Arc<AccountKeys>>,
    is_meant: impl Fn(&RegisteredApiKey) -> bool,
    unknown: Reason,
) -> Result<(Arc<AccountKeys>, RegisteredApiKey), Reason> {
    let account = account.ok_or(unknown)?;
    let key = account.api_keys.iter().find(|key| is_meant(key)).cloned();
    Ok((account, key.ok_or(unknown)?))
}
