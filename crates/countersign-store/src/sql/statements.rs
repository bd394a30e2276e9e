//! Every statement, once, in SQL that SQLite and PostgreSQL both understand.
//!
//! What has to differ stands at the end, by itself. Decisions are conditions of
//! the statements: what a statement does not return, it did not do.

/// Defines the statements and the list of them that a test prepares.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(super) const $name: &str = $sql;)*

        /// All of the above, by name.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

/// The columns of an `AccountRow`, from `countersign_accounts AS a`. Group names
/// have no commas.
macro_rules! account_columns {
    () => {
        "a.id, a.name, a.disabled, a.created_at, a.last_used_at, a.last_used_from, \
         (SELECT string_agg(g.name, ',') FROM countersign_account_groups AS g \
          WHERE g.account = a.id)"
    };
}

/// The columns of a `KeyRow`.
macro_rules! key_columns {
    ($table:literal) => {
        concat!(
            $table,
            ".sequence, ",
            $table,
            ".account, ",
            $table,
            ".spki, ",
            $table,
            ".comment, ",
            $table,
            ".created_at, ",
            $table,
            ".expires_at, ",
            $table,
            ".revoked_at, ",
            $table,
            ".last_used_at, ",
            $table,
            ".last_used_from"
        )
    };
}

/// Holds if the account that a statement changes can be spared: it cannot
/// administrate at the instant `$now`, or another one can.
macro_rules! account_can_be_spared {
    ($now:literal) => {
        concat!(
            "(NOT EXISTS (SELECT 1 FROM countersign_admin_keys AS mine \
               WHERE mine.account = countersign_accounts.id \
               AND (mine.expires_at IS NULL OR mine.expires_at > ",
            $now,
            ")) \
             OR EXISTS (SELECT 1 FROM countersign_admin_keys AS other \
               WHERE other.account <> countersign_accounts.id \
               AND (other.expires_at IS NULL OR other.expires_at > ",
            $now,
            ")))"
        )
    };
}

/// The same for a key: nobody can administrate by it at `$now`, or someone can
/// by another key.
macro_rules! key_can_be_spared {
    ($now:literal) => {
        concat!(
            "(NOT EXISTS (SELECT 1 FROM countersign_admin_keys AS mine \
               WHERE mine.sequence = countersign_public_keys.sequence \
               AND mine.account = countersign_public_keys.account \
               AND (mine.expires_at IS NULL OR mine.expires_at > ",
            $now,
            ")) \
             OR EXISTS (SELECT 1 FROM countersign_admin_keys AS other \
               WHERE other.sequence <> countersign_public_keys.sequence \
               AND (other.expires_at IS NULL OR other.expires_at > ",
            $now,
            ")))"
        )
    };
}

statements! {
    /// $1 name.
    ACCOUNT_BY_NAME = concat!(
        "SELECT ", account_columns!(), " FROM countersign_accounts AS a WHERE a.name = $1"
    );

    /// $1 after name, $2 limit, $3 group or '', $4 part of the name or ''. The
    /// test for the part is one that heeds the case everywhere, unlike LIKE.
    ACCOUNT_PAGE = concat!(
        "SELECT ", account_columns!(), " FROM countersign_accounts AS a WHERE a.name > $1 \
         AND ($3 = '' OR EXISTS (SELECT 1 FROM countersign_account_groups AS f \
           WHERE f.account = a.id AND f.name = $3)) \
         AND ($4 = '' OR replace(a.name, $4, '') <> a.name) \
         ORDER BY a.name LIMIT $2"
    );

    /// $1 id, $2 name, $3 now.
    ACCOUNT_INSERT =
        "INSERT INTO countersign_accounts (id, name, disabled, created_at) \
         VALUES ($1, $2, FALSE, $3) ON CONFLICT DO NOTHING RETURNING id";

    /// $1 id, $2 name, $3 now; only where there is no account at all.
    ACCOUNT_INSERT_FIRST =
        "INSERT INTO countersign_accounts (id, name, disabled, created_at) \
         SELECT $1, $2, FALSE, $3 WHERE NOT EXISTS (SELECT 1 FROM countersign_accounts) \
         ON CONFLICT DO NOTHING RETURNING id";

    /// $1 name, $2 disabled, $3 now.
    ACCOUNT_SET_DISABLED = concat!(
        "UPDATE countersign_accounts SET disabled = $2 \
         WHERE name = $1 AND ($2 = FALSE OR ", account_can_be_spared!("$3"), ") RETURNING id"
    );

    /// Changes nothing, but holds the account for the transaction if it may
    /// leave the group of those who administrate: $1 name, $2 whether it stays
    /// in it, $3 now.
    ACCOUNT_MAY_CHANGE_GROUPS = concat!(
        "UPDATE countersign_accounts SET name = name \
         WHERE name = $1 AND ($2 = TRUE OR ", account_can_be_spared!("$3"), ") RETURNING id"
    );

    /// $1 name, $2 now.
    ACCOUNT_DELETE = concat!(
        "DELETE FROM countersign_accounts WHERE name = $1 AND ",
        account_can_be_spared!("$2"), " RETURNING id"
    );

    /// $1 account.
    GROUPS_DELETE = "DELETE FROM countersign_account_groups WHERE account = $1";

    /// $1 account, $2 group.
    GROUP_INSERT =
        "INSERT INTO countersign_account_groups (account, name) VALUES ($1, $2) \
         ON CONFLICT DO NOTHING";

    /// $1 account name.
    KEYS_OF_ACCOUNT = concat!(
        "SELECT ", key_columns!("k"), " FROM countersign_accounts AS a \
         JOIN countersign_public_keys AS k ON k.account = a.id \
         WHERE a.name = $1 ORDER BY k.sequence"
    );

    /// $1 account name, $2 any fingerprint.
    KEY_BY_FINGERPRINT = concat!(
        "SELECT ", key_columns!("k"), " FROM countersign_accounts AS a \
         JOIN countersign_public_keys AS k ON k.account = a.id \
         WHERE a.name = $1 AND $2 IN (k.openssh, k.thumbprint, k.spki_pem_sha256)"
    );

    /// $1 account name, $2 to $4 fingerprints, $5 SPKI, $6 comment, $7 now, $8 expiry.
    KEY_INSERT = concat!(
        "INSERT INTO countersign_public_keys \
         (account, openssh, thumbprint, spki_pem_sha256, spki, comment, created_at, expires_at) \
         SELECT a.id, $2, $3, $4, $5, $6, $7, $8 FROM countersign_accounts AS a \
         WHERE a.name = $1 ON CONFLICT DO NOTHING RETURNING ",
        key_columns!("countersign_public_keys")
    );

    /// $1 sequence, $2 expiry, $3 the instant at which it takes effect.
    KEY_EXPIRE = concat!(
        "UPDATE countersign_public_keys SET expires_at = $2 \
         WHERE sequence = $1 AND revoked_at IS NULL \
         AND ($2 IS NULL OR ", key_can_be_spared!("$3"), ") RETURNING ",
        key_columns!("countersign_public_keys")
    );

    /// $1 sequence, $2 now.
    KEY_REVOKE = concat!(
        "UPDATE countersign_public_keys SET revoked_at = $2 \
         WHERE sequence = $1 AND revoked_at IS NULL AND ", key_can_be_spared!("$2"),
        " RETURNING ", key_columns!("countersign_public_keys")
    );

    /// $1 account name.
    ENDPOINTS_OF_ACCOUNT =
        "SELECT e.account, e.url, e.created_at FROM countersign_accounts AS a \
         JOIN countersign_jwks_endpoints AS e ON e.account = a.id \
         WHERE a.name = $1 ORDER BY e.sequence";

    /// $1 account name, $2 URL, $3 now.
    ENDPOINT_INSERT =
        "INSERT INTO countersign_jwks_endpoints (account, url, created_at) \
         SELECT a.id, $2, $3 FROM countersign_accounts AS a WHERE a.name = $1 \
         ON CONFLICT DO NOTHING RETURNING account, url, created_at";

    /// $1 account name, $2 URL.
    ENDPOINT_DELETE =
        "DELETE FROM countersign_jwks_endpoints \
         WHERE account = (SELECT a.id FROM countersign_accounts AS a WHERE a.name = $1) \
         AND url = $2 RETURNING account, url, created_at";

    /// The keys of a page of accounts: $1 after name, $2 up to name.
    KEYS_OF_RANGE = concat!(
        "SELECT ", key_columns!("k"), " FROM countersign_accounts AS a \
         JOIN countersign_public_keys AS k ON k.account = a.id \
         WHERE a.name > $1 AND a.name <= $2 ORDER BY a.name, k.sequence"
    );

    /// The endpoints of a page of accounts: $1 after name, $2 up to name.
    ENDPOINTS_OF_RANGE =
        "SELECT e.account, e.url, e.created_at FROM countersign_accounts AS a \
         JOIN countersign_jwks_endpoints AS e ON e.account = a.id \
         WHERE a.name > $1 AND a.name <= $2 ORDER BY a.name, e.sequence";

    /// $1 now, $2 actor, $3 address, $4 action, $5 target, $6 before, $7 after.
    AUDIT_INSERT =
        "INSERT INTO countersign_audit \
         (at, actor, address, action, target, state_before, state_after) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)";

    /// $1 after sequence, $2 limit.
    AUDIT_PAGE =
        "SELECT sequence, at, actor, address, action, target, state_before, state_after \
         FROM countersign_audit WHERE sequence > $1 ORDER BY sequence LIMIT $2";

    /// $1 id.
    INSTANCE_INSERT =
        "INSERT INTO countersign_instance (singleton, id) VALUES (1, $1) ON CONFLICT DO NOTHING";

    /// The id.
    INSTANCE = "SELECT id FROM countersign_instance";

    // From here on: SQLite only.

    /// $1 a JSON array of uses.
    SQLITE_USE_OF_KEYS =
        "UPDATE countersign_public_keys SET last_used_at = u.at, last_used_from = u.address \
         FROM (SELECT unhex(value ->> 'account') AS account, value ->> 'key' AS openssh, \
           value ->> 'at' AS at, value ->> 'from' AS address FROM json_each($1)) AS u \
         WHERE countersign_public_keys.account = u.account \
         AND countersign_public_keys.openssh = u.openssh \
         AND coalesce(countersign_public_keys.last_used_at < u.at, TRUE)";

    /// $1 a JSON array of uses, of which the latest of each account counts.
    SQLITE_USE_OF_ACCOUNTS =
        "UPDATE countersign_accounts SET last_used_at = u.at, last_used_from = u.address \
         FROM (SELECT unhex(value ->> 'account') AS account, max(value ->> 'at') AS at, \
           value ->> 'from' AS address FROM json_each($1) GROUP BY 1) AS u \
         WHERE countersign_accounts.id = u.account \
         AND coalesce(countersign_accounts.last_used_at < u.at, TRUE)";
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};

    use super::ALL;
    use crate::sql::{Database, Durability};

    #[tokio::test]
    async fn every_statement_can_be_prepared() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("countersign.db");
        let database = Database::open(&path, Durability::default()).await.unwrap();
        let mut reading = database.read().await.unwrap();
        assert!(ALL.len() > 20, "the list is made with the statements");
        for (name, sql) in ALL {
            if let Err(error) = reading.prepare(AssertSqlSafe(*sql).into_sql_str()).await {
                panic!("{name}: {error}");
            }
        }
    }

    /// A million accounts must not make an act slow: but for the statements that
    /// are about all of them, none may look at a whole table.
    #[tokio::test]
    async fn statements_find_what_they_are_about_by_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("countersign.db");
        let database = Database::open(&path, Durability::default()).await.unwrap();
        let mut reading = database.read().await.unwrap();
        let about_all = ["INSTANCE", "ACCOUNT_INSERT_FIRST"];
        for (name, sql) in ALL.iter().filter(|(name, _)| !about_all.contains(name)) {
            let explain = format!("EXPLAIN QUERY PLAN {sql}");
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(AssertSqlSafe(explain)).fetch_all(&mut *reading).await.unwrap();
            for (.., step) in plan {
                // `u` are the uses that a statement was given.
                let given = ["SCAN u", "SCAN json_each", "SCAN CONSTANT ROW"];
                let of_given = given.iter().any(|scan| step.starts_with(scan));
                assert!(!step.starts_with("SCAN") || of_given, "{name}: {step}");
            }
        }
    }
}
