//! Rows as the statements return them, and what they mean.

use std::net::IpAddr;

use countersign_core::ports::{
    Account, ApiKeyRecord, AuditRecord, JwksEndpoint, PublicKeyRecord, RefreshTokenRecord,
    SigningKeyRecord, StoreError, UnreadableSigningKey, Visit,
};
use countersign_core::{
    AccountId, AccountName, Algorithm, ApiKeyId, GroupName, PublicKey, Sealed, SecretHash, UnixTime,
};
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use uuid::Uuid;

use crate::registry::RevokedToken;

/// Defines a row whose fields are the columns in order, for every database.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $index:literal,)* }) => {
        $(#[$doc])*
        pub(super) struct $name { $($field: $type,)* }

        impl<'r, R: Row> FromRow<'r, R> for $name
        where
            usize: ColumnIndex<R>,
            $($type: Decode<'r, R::Database> + Type<R::Database>,)*
        {
            fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
                Ok(Self { $($field: row.try_get($index)?,)* })
            }
        }
    };
}

row! {
    /// See `account_columns!`.
    AccountRow {
        id: Vec<u8> = 0,
        name: String = 1,
        disabled: bool = 2,
        created_at: i64 = 3,
        last_used_at: Option<i64> = 4,
        last_used_from: Option<String> = 5,
        registered: bool = 6,
        tokens_revoked_at: Option<i64> = 7,
        groups: Option<String> = 8,
    }
}

row! {
    /// See `key_columns!`.
    KeyRow {
        sequence: i64 = 0,
        account: Vec<u8> = 1,
        spki: Vec<u8> = 2,
        comment: String = 3,
        created_at: i64 = 4,
        expires_at: Option<i64> = 5,
        revoked_at: Option<i64> = 6,
        last_used_at: Option<i64> = 7,
        last_used_from: Option<String> = 8,
    }
}

row! {
    /// An endpoint of one account.
    EndpointRow {
        account: Vec<u8> = 0,
        url: String = 1,
        created_at: i64 = 2,
    }
}

row! {
    /// See `api_key_columns!`.
    ApiKeyRow {
        id: Vec<u8> = 0,
        account: Vec<u8> = 1,
        hash: Vec<u8> = 2,
        comment: String = 3,
        created_at: i64 = 4,
        expires_at: Option<i64> = 5,
        revoked_at: Option<i64> = 6,
        last_used_at: Option<i64> = 7,
        last_used_from: Option<String> = 8,
    }
}

row! {
    /// An access token that was revoked by its id.
    RevokedTokenRow {
        token_id: Vec<u8> = 0,
        remember_until: i64 = 1,
    }
}

row! {
    /// A refresh token with the account of its key.
    RefreshTokenRow {
        hash: Vec<u8> = 0,
        api_key: Vec<u8> = 1,
        account: Vec<u8> = 2,
        created_at: i64 = 3,
        expires_at: i64 = 4,
    }
}

row! {
    /// A signing key.
    SigningKeyRow {
        kid: String = 0,
        algorithm: String = 1,
        spki: Vec<u8> = 2,
        sealed: Option<Vec<u8>> = 3,
        published_at: i64 = 4,
        activated_at: Option<i64> = 5,
        retired_at: Option<i64> = 6,
        gone_at: Option<i64> = 7,
    }
}

row! {
    /// Whose link or session it is, and for how long.
    VisitRow {
        account: Vec<u8> = 0,
        name: String = 1,
        spki: Vec<u8> = 2,
        began_at: i64 = 3,
        ends_at: i64 = 4,
    }
}

row! {
    /// A row of the audit trail.
    AuditRow {
        sequence: i64 = 0,
        at: i64 = 1,
        actor: String = 2,
        from: Option<String> = 3,
        action: String = 4,
        target: String = 5,
        before: String = 6,
        after: String = 7,
    }
}

impl AccountRow {
    pub(super) fn account(self) -> Result<Account, StoreError> {
        let groups = self.groups.unwrap_or_default();
        let mut groups = groups
            .split_terminator(',')
            .map(|name| GroupName::new(name).map_err(|error| unreadable("group", error)))
            .collect::<Result<Vec<_>, _>>()?;
        groups.sort_unstable();
        Ok(Account {
            id: account_id(&self.id)?,
            name: account_name(&self.name)?,
            groups,
            disabled: self.disabled,
            created_at: UnixTime::from_micros(self.created_at),
            registered: self.registered,
            tokens_revoked_at: self.tokens_revoked_at.map(UnixTime::from_micros),
            last_used_at: self.last_used_at.map(UnixTime::from_micros),
            last_used_from: address(self.last_used_from.as_deref()),
        })
    }
}

impl KeyRow {
    /// What the database calls this key.
    pub(super) fn sequence(&self) -> i64 {
        self.sequence
    }

    pub(super) fn record(self) -> Result<PublicKeyRecord, StoreError> {
        let key = PublicKey::from_stored_spki_der(&self.spki)
            .map_err(|error| unreadable("key", error))?;
        Ok(PublicKeyRecord {
            account: account_id(&self.account)?,
            key,
            comment: self.comment,
            created_at: UnixTime::from_micros(self.created_at),
            expires_at: self.expires_at.map(UnixTime::from_micros),
            revoked_at: self.revoked_at.map(UnixTime::from_micros),
            last_used_at: self.last_used_at.map(UnixTime::from_micros),
            last_used_from: address(self.last_used_from.as_deref()),
        })
    }
}

impl EndpointRow {
    pub(super) fn endpoint(self) -> Result<JwksEndpoint, StoreError> {
        Ok(JwksEndpoint {
            account: account_id(&self.account)?,
            url: self.url,
            created_at: UnixTime::from_micros(self.created_at),
            status: None,
        })
    }
}

impl ApiKeyRow {
    pub(super) fn record(self) -> Result<ApiKeyRecord, StoreError> {
        Ok(ApiKeyRecord {
            id: api_key_id(&self.id)?,
            account: account_id(&self.account)?,
            hash: hash(&self.hash)?,
            comment: self.comment,
            created_at: UnixTime::from_micros(self.created_at),
            expires_at: self.expires_at.map(UnixTime::from_micros),
            revoked_at: self.revoked_at.map(UnixTime::from_micros),
            last_used_at: self.last_used_at.map(UnixTime::from_micros),
            last_used_from: address(self.last_used_from.as_deref()),
        })
    }
}

impl RevokedTokenRow {
    pub(super) fn token(self) -> Result<RevokedToken, StoreError> {
        let token_id = Uuid::from_slice(&self.token_id);
        Ok(RevokedToken {
            token_id: token_id.map_err(|error| unreadable("access token's id", error))?,
            remember_until: UnixTime::from_micros(self.remember_until),
        })
    }
}

impl RefreshTokenRow {
    pub(super) fn record(self) -> Result<RefreshTokenRecord, StoreError> {
        Ok(RefreshTokenRecord {
            hash: hash(&self.hash)?,
            api_key: api_key_id(&self.api_key)?,
            account: account_id(&self.account)?,
            created_at: UnixTime::from_micros(self.created_at),
            expires_at: UnixTime::from_micros(self.expires_at),
        })
    }
}

impl SigningKeyRow {
    pub(super) fn record_or_why_not(self) -> Result<SigningKeyRecord, UnreadableSigningKey> {
        let damaged = UnreadableSigningKey {
            kid: self.kid.as_str().into(),
            why: String::new(),
            algorithm: self.algorithm.as_str().into(),
            published_at: UnixTime::from_micros(self.published_at),
            activated_at: self.activated_at.map(UnixTime::from_micros),
            retired_at: self.retired_at.map(UnixTime::from_micros),
            gone_at: self.gone_at.map(UnixTime::from_micros),
        };
        self.record().map_err(|error| UnreadableSigningKey { why: error.to_string(), ..damaged })
    }

    fn record(self) -> Result<SigningKeyRecord, StoreError> {
        let unknown = || unreadable("algorithm", &self.algorithm);
        Ok(SigningKeyRecord {
            algorithm: Algorithm::from_name(&self.algorithm).ok_or_else(unknown)?,
            kid: self.kid.into(),
            public_key: PublicKey::from_stored_spki_der(&self.spki)
                .map_err(|error| unreadable("signing key", error))?,
            sealed: self.sealed.map(Sealed::from_bytes),
            published_at: UnixTime::from_micros(self.published_at),
            activated_at: self.activated_at.map(UnixTime::from_micros),
            retired_at: self.retired_at.map(UnixTime::from_micros),
            gone_at: self.gone_at.map(UnixTime::from_micros),
        })
    }
}

impl VisitRow {
    pub(super) fn visit(self) -> Result<Visit, StoreError> {
        Ok(Visit {
            account: account_id(&self.account)?,
            name: account_name(&self.name)?,
            key: PublicKey::from_stored_spki_der(&self.spki)
                .map_err(|error| unreadable("key of a visit", error))?,
            began_at: UnixTime::from_micros(self.began_at),
            ends_at: UnixTime::from_micros(self.ends_at),
        })
    }
}

impl AuditRow {
    pub(super) fn record(self) -> Result<AuditRecord, StoreError> {
        let state = |text: &str| {
            serde_json::from_str(text).map_err(|error| unreadable("audit record", error))
        };
        Ok(AuditRecord {
            sequence: self.sequence,
            at: self.at,
            actor: self.actor,
            from: address(self.from.as_deref()),
            action: self.action,
            target: self.target,
            before: state(&self.before)?,
            after: state(&self.after)?,
        })
    }
}

fn account_id(bytes: &[u8]) -> Result<AccountId, StoreError> {
    Uuid::from_slice(bytes).map(AccountId).map_err(|error| unreadable("account id", error))
}

fn api_key_id(bytes: &[u8]) -> Result<ApiKeyId, StoreError> {
    Uuid::from_slice(bytes).map(ApiKeyId).map_err(|error| unreadable("API key's id", error))
}

fn hash(bytes: &[u8]) -> Result<SecretHash, StoreError> {
    let bytes: Result<[u8; 32], _> = bytes.try_into();
    bytes.map(SecretHash::from_bytes).map_err(|error| unreadable("hash", error))
}

pub(super) fn account_name(name: &str) -> Result<AccountName, StoreError> {
    AccountName::new(name).map_err(|error| unreadable("account name", error))
}

/// An address that does not parse was not written by this program; it decides
/// nothing, so it is left out.
fn address(text: Option<&str>) -> Option<IpAddr> {
    text?.parse().ok()
}

fn unreadable(what: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("the database has an {what} that cannot be read: {error}"))
}
