//! The tables of Django with `asymmetric_jwt_auth`: users, their public keys, the URLs
//! they are trusted through.

use std::collections::HashMap;

use super::{BEFORE_ALL, ForeignDatabase, ForeignError, PAGE};
use crate::sql::query::query;

const USERS: &str = "auth_user";
const KEYS: &str = "asymmetric_jwt_auth_publickey";
const TRUSTS: &str = "asymmetric_jwt_auth_jwksendpointtrust";

/// $1 after id, $2 limit.
const USERS_PAGE: &str = "SELECT CAST(id AS BIGINT), CAST(username AS TEXT), is_active \
    FROM auth_user WHERE id > $1 ORDER BY id LIMIT $2";
/// $1 after user, $2 up to user.
const KEYS_OF_RANGE: &str = "SELECT CAST(id AS BIGINT), CAST(user_id AS BIGINT), CAST(key AS TEXT), \
    CAST(comment AS TEXT) FROM asymmetric_jwt_auth_publickey \
    WHERE user_id > $1 AND user_id <= $2 ORDER BY user_id, id";
/// The same from before there were comments.
const KEYS_WITHOUT_COMMENT: &str = "SELECT CAST(id AS BIGINT), CAST(user_id AS BIGINT), CAST(key AS TEXT), \
    CAST(NULL AS TEXT) FROM asymmetric_jwt_auth_publickey \
    WHERE user_id > $1 AND user_id <= $2 ORDER BY user_id, id";
/// $1 after user, $2 up to user.
const TRUSTS_OF_RANGE: &str = "SELECT CAST(id AS BIGINT), CAST(user_id AS BIGINT), CAST(jwks_url AS TEXT) \
    FROM asymmetric_jwt_auth_jwksendpointtrust \
    WHERE user_id > $1 AND user_id <= $2 ORDER BY user_id, id";

const KEYS_OF_NOBODY: &str = "SELECT CAST(k.id AS BIGINT) FROM asymmetric_jwt_auth_publickey AS k \
    WHERE NOT EXISTS (SELECT 1 FROM auth_user AS u WHERE u.id = k.user_id) ORDER BY k.id";
const TRUSTS_OF_NOBODY: &str = "SELECT CAST(t.id AS BIGINT) FROM asymmetric_jwt_auth_jwksendpointtrust AS t \
    WHERE NOT EXISTS (SELECT 1 FROM auth_user AS u WHERE u.id = t.user_id) ORDER BY t.id";

/// A row of `auth_user`, with what belongs to it.
#[derive(Debug)]
pub struct ForeignAccount {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub username: Option<String>,
    /// Whether it may sign in.
    pub is_active: bool,
    /// Its public keys.
    pub keys: Vec<ForeignPublicKey>,
    /// The URLs of its JWKS: one at most, by the rules there.
    pub endpoints: Vec<ForeignEndpoint>,
}

/// A row of `asymmetric_jwt_auth_publickey`.
#[derive(Debug)]
pub struct ForeignPublicKey {
    /// Its number.
    pub id: i64,
    /// Its text, in PEM or as OpenSSH writes it.
    pub key: Option<String>,
    /// What it is called.
    pub comment: Option<String>,
}

/// A row of `asymmetric_jwt_auth_jwksendpointtrust`.
#[derive(Debug)]
pub struct ForeignEndpoint {
    /// Its number.
    pub id: i64,
    /// Its URL.
    pub jwks_url: Option<String>,
}

type KeyRow = (i64, i64, Option<String>, Option<String>);
type TrustRow = (i64, i64, Option<String>);

impl ForeignDatabase {
    /// Makes sure that it is a database of Django with `asymmetric_jwt_auth`.
    ///
    /// # Errors
    /// [`ForeignError::NoTable`] if it is not.
    pub async fn check_asymmetric_jwt_auth(&mut self) -> Result<(), ForeignError> {
        self.require(USERS).await?;
        self.require(KEYS).await
    }

    /// The next users behind a row with what belongs to them; none are left if it is
    /// empty.
    ///
    /// # Errors
    /// [`ForeignError::Unusable`].
    pub async fn accounts(
        &mut self,
        after: Option<i64>,
    ) -> Result<Vec<ForeignAccount>, ForeignError> {
        let after = after.unwrap_or(BEFORE_ALL);
        let page = query(USERS_PAGE).bind(after).bind(PAGE);
        let users: Vec<(i64, Option<String>, bool)> = self.all(page).await?;
        let Some(&(up_to, ..)) = users.last() else { return Ok(Vec::new()) };
        let keys = if self.has_column(KEYS, "comment").await? {
            query(KEYS_OF_RANGE)
        } else {
            query(KEYS_WITHOUT_COMMENT)
        };
        let keys: Vec<KeyRow> = self.all(keys.bind(after).bind(up_to)).await?;
        // Releases before 1.0 knew no such trust.
        let trusts: Vec<TrustRow> = if self.has_column(TRUSTS, "id").await? {
            self.all(query(TRUSTS_OF_RANGE).bind(after).bind(up_to)).await?
        } else {
            Vec::new()
        };
        let (mut keys_of, mut trusts_of) = (HashMap::new(), HashMap::new());
        for (id, user, key, comment) in keys {
            let keys: &mut Vec<_> = keys_of.entry(user).or_default();
            keys.push(ForeignPublicKey { id, key, comment });
        }
        for (id, user, jwks_url) in trusts {
            let trusts: &mut Vec<_> = trusts_of.entry(user).or_default();
            trusts.push(ForeignEndpoint { id, jwks_url });
        }
        let account = |(id, username, is_active)| ForeignAccount {
            id,
            username,
            is_active,
            keys: keys_of.remove(&id).unwrap_or_default(),
            endpoints: trusts_of.remove(&id).unwrap_or_default(),
        };
        Ok(users.into_iter().map(account).collect())
    }

    /// The numbers of public keys and of trusts whose user is not there: SQLite allows
    /// that unless it is told otherwise.
    ///
    /// # Errors
    /// [`ForeignError::Unusable`].
    pub async fn without_account(&mut self) -> Result<(Vec<i64>, Vec<i64>), ForeignError> {
        let keys: Vec<(i64,)> = self.all(query(KEYS_OF_NOBODY)).await?;
        let trusts: Vec<(i64,)> = if self.has_column(TRUSTS, "id").await? {
            self.all(query(TRUSTS_OF_NOBODY)).await?
        } else {
            Vec::new()
        };
        let number = |(id,): (i64,)| id;
        Ok((keys.into_iter().map(number).collect(), trusts.into_iter().map(number).collect()))
    }
}
