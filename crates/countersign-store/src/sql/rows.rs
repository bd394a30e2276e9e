//! Rows as the statements return them, and what they mean.

use std::net::IpAddr;

use countersign_core::ports::{Account, AuditRecord, JwksEndpoint, PublicKeyRecord, StoreError};
use countersign_core::{AccountId, AccountName, GroupName, PublicKey, UnixTime};
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use uuid::Uuid;

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
        groups: Option<String> = 6,
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

fn account_name(name: &str) -> Result<AccountName, StoreError> {
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
