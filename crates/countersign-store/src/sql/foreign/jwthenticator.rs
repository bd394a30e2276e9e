//! The tables of jwthenticator: keys as their hashes, refresh tokens in clear.

use countersign_core::{RefreshToken, RefreshTokenError};

use super::{BEFORE_ALL, ForeignDatabase, ForeignError, PAGE};
use crate::sql::query::query;

/// $1 after id, $2 limit.
const KEYS: &str = "SELECT CAST(id AS BIGINT), CAST(key_hash AS TEXT), CAST(identifier AS TEXT), \
    CAST(created AS TEXT), CAST(expires_at AS TEXT) FROM keys WHERE id > $1 ORDER BY id LIMIT $2";
/// $1 after id, $2 up to id, $3 limit.
const TOKENS: &str = "SELECT CAST(id AS BIGINT), CAST(token AS TEXT), CAST(key_id AS BIGINT), \
    CAST(created AS TEXT), CAST(expires_at AS TEXT) FROM refresh_tokens \
    WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3";
const LAST_TOKEN: &str = "SELECT CAST(max(id) AS BIGINT) FROM refresh_tokens";

/// A row of `keys`. Instants are texts in UTC.
pub struct ForeignApiKey {
    /// Its number.
    pub id: i64,
    /// What should be a SHA-512 in hex.
    pub key_hash: Option<String>,
    /// What should be a UUID.
    pub identifier: Option<String>,
    /// When it was made.
    pub created: Option<String>,
    /// Until when it is good.
    pub expires_at: Option<String>,
}

/// A row of `refresh_tokens`. Instants are texts in UTC.
pub struct ForeignRefreshToken {
    /// Its number.
    pub id: i64,
    /// The token itself.
    pub token: Result<RefreshToken, RefreshTokenError>,
    /// The number of its key.
    pub key_id: Option<i64>,
    /// When it was made.
    pub created: Option<String>,
    /// Until when it is good.
    pub expires_at: Option<String>,
}

type KeyRow = (i64, Option<String>, Option<String>, Option<String>, Option<String>);
type TokenRow = (i64, Option<String>, Option<i64>, Option<String>, Option<String>);

impl ForeignDatabase {
    /// Makes sure that it is a database of jwthenticator; the number of its newest
    /// refresh token. Up to there, every token's key is found by reading the keys.
    ///
    /// # Errors
    /// [`ForeignError::NoTable`] if it is not.
    pub async fn last_refresh_token(&mut self) -> Result<i64, ForeignError> {
        self.require("keys").await?;
        self.require("refresh_tokens").await?;
        let last: Vec<(Option<i64>,)> = self.all(query(LAST_TOKEN)).await?;
        Ok(last.first().and_then(|(last,)| *last).unwrap_or(BEFORE_ALL))
    }

    /// The next keys behind a row; none are left if it is empty.
    ///
    /// # Errors
    /// [`ForeignError::Unusable`].
    pub async fn api_keys(
        &mut self,
        after: Option<i64>,
    ) -> Result<Vec<ForeignApiKey>, ForeignError> {
        let page = query(KEYS).bind(after.unwrap_or(BEFORE_ALL)).bind(PAGE);
        let rows: Vec<KeyRow> = self.all(page).await?;
        let key = |(id, key_hash, identifier, created, expires_at)| ForeignApiKey {
            id,
            key_hash,
            identifier,
            created,
            expires_at,
        };
        Ok(rows.into_iter().map(key).collect())
    }

    /// The next refresh tokens behind a row, up to another; none are left if it is
    /// empty.
    ///
    /// # Errors
    /// [`ForeignError::Unusable`].
    pub async fn refresh_tokens(
        &mut self,
        after: Option<i64>,
        up_to: i64,
    ) -> Result<Vec<ForeignRefreshToken>, ForeignError> {
        let page = query(TOKENS).bind(after.unwrap_or(BEFORE_ALL)).bind(up_to).bind(PAGE);
        let rows: Vec<TokenRow> = self.all(page).await?;
        let token = |(id, token, key_id, created, expires_at): TokenRow| ForeignRefreshToken {
            id,
            token: RefreshToken::read(&token.unwrap_or_default()),
            key_id,
            created,
            expires_at,
        };
        Ok(rows.into_iter().map(token).collect())
    }
}
