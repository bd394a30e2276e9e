//! Every statement, once, in SQL that SQLite and PostgreSQL both understand.
//!
//! What has to differ stands at the end, by itself, once for each. Decisions are conditions of
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
         a.registered, a.tokens_revoked_at, (SELECT string_agg(g.name, ',') FROM countersign_account_groups AS g \
          WHERE g.account = a.id)"
    };
}

/// Holds for the accounts that a filter lets pass: $3 group or '', $4 part of the name or
/// '', $5 whether they must be disabled, $6 the instant since which they are unused or
/// NULL, $7 and $8 the instants between which a key of theirs expires or NULL. The test for
/// the part is one that heeds the case everywhere, unlike LIKE.
macro_rules! account_passes {
    () => {
        "($3 = '' OR EXISTS (SELECT 1 FROM countersign_account_groups AS f \
           WHERE f.account = a.id AND f.name = $3)) \
         AND ($4 = '' OR replace(a.name, $4, '') <> a.name) \
         AND ($5 = FALSE OR a.disabled = TRUE) \
         AND (CAST($6 AS BIGINT) IS NULL OR COALESCE(a.last_used_at, a.created_at) < $6) \
         AND (CAST($7 AS BIGINT) IS NULL OR EXISTS (SELECT 1 FROM countersign_public_keys AS e \
           WHERE e.account = a.id AND e.revoked_at IS NULL \
           AND e.expires_at > $7 AND e.expires_at <= $8))"
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

/// The columns of an `ApiKeyRow`, from a table or an alias of it.
macro_rules! api_key_columns {
    ($table:literal) => {
        concat!(
            $table,
            ".id, ",
            $table,
            ".account, ",
            $table,
            ".hash, ",
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

/// Keeps refresh tokens whose keys are there: $1 a JSON array of tokens.
macro_rules! refresh_tokens_insert {
    (sqlite) => {
        "INSERT INTO countersign_refresh_tokens (hash, api_key, created_at, expires_at) \
         SELECT unhex(t.value ->> 'hash'), k.id, t.value ->> 'created_at', t.value ->> 'expires_at' \
         FROM json_each($1) AS t \
         CROSS JOIN countersign_api_keys AS k ON k.id = unhex(t.value ->> 'api_key') \
         WHERE TRUE ON CONFLICT DO NOTHING"
    };
    (postgres) => {
        "INSERT INTO countersign_refresh_tokens (hash, api_key, created_at, expires_at) \
         SELECT decode(t.value ->> 'hash', 'hex'), k.id, \
           CAST(t.value ->> 'created_at' AS BIGINT), CAST(t.value ->> 'expires_at' AS BIGINT) \
         FROM jsonb_array_elements(CAST($1 AS JSONB)) AS t \
         JOIN countersign_api_keys AS k ON k.id = decode(t.value ->> 'api_key', 'hex') \
         ON CONFLICT DO NOTHING"
    };
}

statements! {
    /// $1 name.
    ACCOUNT_BY_NAME = concat!(
        "SELECT ", account_columns!(), " FROM countersign_accounts AS a WHERE a.name = $1"
    );

    /// $1 after name, $2 limit, $3 to $8 what passes.
    ACCOUNT_PAGE = concat!(
        "SELECT ", account_columns!(), " FROM countersign_accounts AS a WHERE a.name > $1 AND ",
        account_passes!(), " ORDER BY a.name LIMIT $2"
    );

    /// $1 before name, $2 limit, $3 to $8 what passes, $9 before the instant.
    ACCOUNT_PAGE_NEWEST = concat!(
        "SELECT ", account_columns!(), " FROM countersign_accounts AS a \
         WHERE (a.created_at, a.name) < ($9, $1) AND ",
        account_passes!(), " ORDER BY a.created_at DESC, a.name DESC LIMIT $2"
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
         AND (CAST($2 AS BIGINT) IS NULL OR ", key_can_be_spared!("$3"), ") RETURNING ",
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

    /// $1 name, $2 the instant up to which tokens are refused. It never goes back.
    ACCOUNT_REVOKE_TOKENS =
        "UPDATE countersign_accounts SET tokens_revoked_at = \
         CASE WHEN tokens_revoked_at > $2 THEN tokens_revoked_at ELSE $2 END \
         WHERE name = $1 RETURNING id";

    /// An account that a registration makes: $1 id, $2 name, $3 now.
    ACCOUNT_REGISTER =
        "INSERT INTO countersign_accounts (id, name, disabled, created_at, registered) \
         VALUES ($1, $2, FALSE, $3, TRUE) ON CONFLICT DO NOTHING RETURNING id";

    /// $1 id.
    ACCOUNT_NAME_BY_ID = "SELECT name FROM countersign_accounts WHERE id = $1";

    /// $1 hash.
    ACCOUNT_NAME_BY_API_KEY =
        "SELECT a.name FROM countersign_api_keys AS k \
         JOIN countersign_accounts AS a ON a.id = k.account WHERE k.hash = $1";

    /// $1 account name.
    API_KEYS_OF_ACCOUNT = concat!(
        "SELECT ", api_key_columns!("k"), " FROM countersign_accounts AS a \
         JOIN countersign_api_keys AS k ON k.account = a.id \
         WHERE a.name = $1 ORDER BY k.sequence"
    );

    /// The API keys of a page of accounts: $1 after name, $2 up to name.
    API_KEYS_OF_RANGE = concat!(
        "SELECT ", api_key_columns!("k"), " FROM countersign_accounts AS a \
         JOIN countersign_api_keys AS k ON k.account = a.id \
         WHERE a.name > $1 AND a.name <= $2 ORDER BY a.name, k.sequence"
    );

    /// $1 account name, $2 id.
    API_KEY_OF_ACCOUNT = concat!(
        "SELECT ", api_key_columns!("k"), " FROM countersign_accounts AS a \
         JOIN countersign_api_keys AS k ON k.account = a.id \
         WHERE a.name = $1 AND k.id = $2"
    );

    /// $1 hash.
    API_KEY_BY_HASH = concat!(
        "SELECT ", api_key_columns!("k"), " FROM countersign_api_keys AS k WHERE k.hash = $1"
    );

    /// $1 account name, $2 id, $3 hash, $4 comment, $5 now, $6 expiry.
    API_KEY_INSERT = concat!(
        "INSERT INTO countersign_api_keys (id, account, hash, comment, created_at, expires_at) \
         SELECT $2, a.id, $3, $4, $5, $6 FROM countersign_accounts AS a WHERE a.name = $1 \
         ON CONFLICT DO NOTHING RETURNING ", api_key_columns!("countersign_api_keys")
    );

    /// The key of a registration, new or renewed, if the account is one of a
    /// registration: $1 account, $2 id, $3 hash, $4 comment, $5 now, $6 expiry.
    API_KEY_REGISTER = concat!(
        "INSERT INTO countersign_api_keys (id, account, hash, comment, created_at, expires_at) \
         SELECT $2, a.id, $3, $4, $5, $6 FROM countersign_accounts AS a \
         WHERE a.id = $1 AND a.registered = TRUE AND a.disabled = FALSE \
         AND NOT EXISTS (SELECT 1 FROM countersign_account_groups AS g WHERE g.account = a.id) \
         ON CONFLICT (hash) DO UPDATE SET expires_at = excluded.expires_at \
         WHERE countersign_api_keys.account = excluded.account \
         AND countersign_api_keys.revoked_at IS NULL RETURNING ",
        api_key_columns!("countersign_api_keys")
    );

    /// $1 id, $2 expiry.
    API_KEY_EXPIRE = concat!(
        "UPDATE countersign_api_keys SET expires_at = $2 \
         WHERE id = $1 AND revoked_at IS NULL RETURNING ",
        api_key_columns!("countersign_api_keys")
    );

    /// $1 id, $2 now.
    API_KEY_REVOKE = concat!(
        "UPDATE countersign_api_keys SET revoked_at = $2 \
         WHERE id = $1 AND revoked_at IS NULL RETURNING ",
        api_key_columns!("countersign_api_keys")
    );

    /// Revoking again remembers it for the longer of the two: $1 id, $2 until when it
    /// is remembered.
    TOKEN_REVOKE =
        "INSERT INTO countersign_revoked_tokens (token_id, remember_until) VALUES ($1, $2) \
         ON CONFLICT (token_id) DO UPDATE SET remember_until = excluded.remember_until \
         WHERE countersign_revoked_tokens.remember_until < excluded.remember_until";

    /// $1 id.
    TOKEN_REVOKED = "SELECT token_id FROM countersign_revoked_tokens WHERE token_id = $1";

    /// All of them.
    TOKENS_REVOKED = "SELECT token_id, remember_until FROM countersign_revoked_tokens";

    /// $1 now.
    TOKENS_REVOKED_FORGET = "DELETE FROM countersign_revoked_tokens WHERE remember_until < $1";

    /// $1 account, $2 hash of the secret, $3 kind, $4 name, $5 SPKI, $6 and $7 its beginning
    /// and end.
    VISIT_INSERT =
        "INSERT INTO countersign_console_visits \
         (hash, kind, account, name, spki, began_at, ends_at) \
         SELECT $2, $3, a.id, $4, $5, $6, $7 FROM countersign_accounts AS a WHERE a.id = $1";

    /// $1 now.
    VISITS_FORGET = "DELETE FROM countersign_console_visits WHERE ends_at <= $1";

    /// $1 account, $2 kind, $3 how many may stay.
    VISITS_MAKE_ROOM =
        "DELETE FROM countersign_console_visits WHERE hash IN \
         (SELECT v.hash FROM countersign_console_visits AS v \
          WHERE v.account = $1 AND v.kind = $2 ORDER BY v.ends_at DESC LIMIT 1000 OFFSET $3)";

    /// $1 hash of the secret, $2 kind, $3 now.
    VISIT =
        "SELECT account, name, spki, began_at, ends_at FROM countersign_console_visits \
         WHERE hash = $1 AND kind = $2 AND ends_at > $3";

    /// $1 hash of the secret, $2 kind, $3 now.
    VISIT_END =
        "DELETE FROM countersign_console_visits WHERE hash = $1 AND kind = $2 AND ends_at > $3 \
         RETURNING account, name, spki, began_at, ends_at";

    /// $1 hash of the secret, $2 when it ends.
    SESSION_PROLONG =
        "UPDATE countersign_console_visits SET ends_at = $2 \
         WHERE hash = $1 AND kind = 'session' AND ends_at < $2";

    /// $1 kid, $2 algorithm, $3 SPKI, $4 sealed private half, $5 to $8 the instants of
    /// publication, activation, retirement and of its end.
    SIGNING_KEY_INSERT =
        "INSERT INTO countersign_signing_keys \
         (kid, algorithm, spki, sealed, published_at, activated_at, retired_at, gone_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING kid";

    /// All of them.
    SIGNING_KEYS =
        "SELECT kid, algorithm, spki, sealed, published_at, activated_at, retired_at, gone_at \
         FROM countersign_signing_keys ORDER BY published_at, kid";

    /// $1 kid.
    SIGNING_KEY =
        "SELECT kid, algorithm, spki, sealed, published_at, activated_at, retired_at, gone_at \
         FROM countersign_signing_keys WHERE kid = $1";

    /// Any key at all.
    SIGNING_KEY_ANY = "SELECT kid FROM countersign_signing_keys LIMIT 1";

    /// $1 kid, $2 now.
    SIGNING_KEY_ACTIVATE =
        "UPDATE countersign_signing_keys SET activated_at = $2 \
         WHERE kid = $1 AND activated_at IS NULL AND retired_at IS NULL RETURNING kid";

    /// $1 kid, $2 now, $3 from when on it is gone.
    SIGNING_KEY_RETIRE =
        "UPDATE countersign_signing_keys SET retired_at = $2, gone_at = $3 \
         WHERE kid = $1 AND activated_at IS NOT NULL AND retired_at IS NULL RETURNING kid";

    /// A key that does not sign: $1 kid, $2 now, $3 from when on it is gone.
    SIGNING_KEY_DROP =
        "UPDATE countersign_signing_keys \
         SET retired_at = coalesce(retired_at, $2), gone_at = $3 \
         WHERE kid = $1 AND (activated_at IS NULL OR retired_at IS NOT NULL) RETURNING kid";

    /// A key that cannot be used: $1 kid, $2 now.
    SIGNING_KEY_DISCARD =
        "UPDATE countersign_signing_keys \
         SET retired_at = coalesce(retired_at, $2), gone_at = $2, sealed = NULL \
         WHERE kid = $1 RETURNING kid";

    /// What is sealed of all of them, damaged or not.
    SIGNING_KEYS_SEALED =
        "SELECT kid, sealed FROM countersign_signing_keys WHERE sealed IS NOT NULL \
         ORDER BY published_at, kid";

    /// $1 name, $2 sealed.
    SECRET_INSERT =
        "INSERT INTO countersign_secrets (name, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING";

    /// $1 name.
    SECRET = "SELECT sealed FROM countersign_secrets WHERE name = $1";

    /// All of them.
    SECRETS = "SELECT name, sealed FROM countersign_secrets ORDER BY name";

    /// $1 name, $2 as it is, $3 as it is to be.
    SECRET_RESEAL =
        "UPDATE countersign_secrets SET sealed = $3 WHERE name = $1 AND sealed = $2 RETURNING name";

    /// $1 kid, $2 as it is, $3 as it is to be.
    SIGNING_KEY_RESEAL =
        "UPDATE countersign_signing_keys SET sealed = $3 \
         WHERE kid = $1 AND sealed = $2 RETURNING kid";

    /// The last hash of a stretch: $1 the hash before it, $2 one less than how many.
    REFRESH_TOKENS_STRETCH =
        "SELECT hash FROM countersign_refresh_tokens WHERE hash > $1 \
         ORDER BY hash LIMIT 1 OFFSET $2";

    /// Of one stretch: $1 the hash before it, $2 its last hash, $3 now.
    REFRESH_TOKENS_DELETE_EXPIRED =
        "DELETE FROM countersign_refresh_tokens WHERE hash > $1 AND hash <= $2 AND expires_at < $3";

    /// $1 encoded tokens. Its number.
    ARRIVED_REFRESH_TOKENS_INSERT =
        "INSERT INTO countersign_arrived_refresh_tokens (tokens) VALUES ($1) RETURNING batch";

    /// The batches in their order.
    ARRIVED_REFRESH_TOKENS =
        "SELECT batch, tokens FROM countersign_arrived_refresh_tokens ORDER BY batch";

    /// $1 number of the last batch.
    ARRIVED_REFRESH_TOKENS_DELETE =
        "DELETE FROM countersign_arrived_refresh_tokens WHERE batch <= $1";

    /// $1 now, $2 actor, $3 address, $4 action, $5 target, $6 before, $7 after.
    AUDIT_INSERT =
        "INSERT INTO countersign_audit \
         (at, actor, address, action, target, state_before, state_after) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)";

    /// For those who follow the trail. $1 after sequence, $2 limit.
    TRAIL_ROWS =
        "SELECT sequence, at, actor, address, action, target, state_before, state_after \
         FROM countersign_audit WHERE sequence > $1 ORDER BY sequence LIMIT $2";

    /// For those who begin to follow the trail.
    TRAIL_LAST =
        "SELECT sequence, at, actor, address, action, target, state_before, state_after \
         FROM countersign_audit WHERE sequence > 0 ORDER BY sequence DESC LIMIT 1";

    /// $1 after sequence, $2 limit, $3 actor or '', $4 action or '', $5 part of the target
    /// or '', $6 since.
    AUDIT_PAGE =
        "SELECT sequence, at, actor, address, action, target, state_before, state_after \
         FROM countersign_audit WHERE sequence > $1 \
         AND ($3 = '' OR actor = $3) AND ($4 = '' OR action = $4) \
         AND ($5 = '' OR replace(target, $5, '') <> target) AND at >= $6 \
         ORDER BY sequence LIMIT $2";

    /// $1 before sequence, $2 limit, $3 actor or '', $4 action or '', $5 part of the target
    /// or '', $6 since.
    AUDIT_LATEST =
        "SELECT sequence, at, actor, address, action, target, state_before, state_after \
         FROM countersign_audit WHERE sequence < $1 \
         AND ($3 = '' OR actor = $3) AND ($4 = '' OR action = $4) \
         AND ($5 = '' OR replace(target, $5, '') <> target) AND at >= $6 \
         ORDER BY sequence DESC LIMIT $2";

    /// $1 id.
    INSTANCE_INSERT =
        "INSERT INTO countersign_instance (singleton, id) VALUES (1, $1) ON CONFLICT DO NOTHING";

    /// The id.
    INSTANCE = "SELECT id FROM countersign_instance";
}

/// A statement that each database has to be told in its own words.
pub(super) struct ByDialect {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// The same list of them for a test.
macro_rules! by_dialect {
    ($($(#[$doc:meta])* $name:ident = { sqlite: $sqlite:expr, postgres: $postgres:expr };)*) => {
        $($(#[$doc])*
        pub(super) const $name: ByDialect = ByDialect { sqlite: $sqlite, postgres: $postgres };)*

        /// All of the above, by name.
        #[cfg(test)]
        pub(super) const ALL_BY_DIALECT: &[(&str, ByDialect)] = &[$((stringify!($name), $name)),*];
    };
}

by_dialect! {
    /// $1 a JSON array of uses.
    USE_OF_KEYS = {
        sqlite: "UPDATE countersign_public_keys SET last_used_at = u.at, last_used_from = u.address \
         FROM (SELECT unhex(value ->> 'account') AS account, value ->> 'key' AS openssh, \
           value ->> 'at' AS at, value ->> 'from' AS address FROM json_each($1)) AS u \
         WHERE countersign_public_keys.account = u.account \
         AND countersign_public_keys.openssh = u.openssh \
         AND coalesce(countersign_public_keys.last_used_at < u.at, TRUE)",
        postgres: "UPDATE countersign_public_keys SET last_used_at = u.at, last_used_from = u.address \
         FROM (SELECT decode(value ->> 'account', 'hex') AS account, value ->> 'key' AS openssh, \
           CAST(value ->> 'at' AS BIGINT) AS at, value ->> 'from' AS address \
           FROM jsonb_array_elements(CAST($1 AS JSONB))) AS u \
         WHERE countersign_public_keys.account = u.account \
         AND countersign_public_keys.openssh = u.openssh \
         AND coalesce(countersign_public_keys.last_used_at < u.at, TRUE)"
    };

    /// $1 a JSON array of uses.
    USE_OF_API_KEYS = {
        sqlite: "UPDATE countersign_api_keys SET last_used_at = u.at, last_used_from = u.address \
         FROM (SELECT unhex(value ->> 'api_key') AS id, value ->> 'at' AS at, \
           value ->> 'from' AS address FROM json_each($1)) AS u \
         WHERE countersign_api_keys.id = u.id \
         AND coalesce(countersign_api_keys.last_used_at < u.at, TRUE)",
        postgres: "UPDATE countersign_api_keys SET last_used_at = u.at, last_used_from = u.address \
         FROM (SELECT decode(value ->> 'api_key', 'hex') AS id, \
           CAST(value ->> 'at' AS BIGINT) AS at, value ->> 'from' AS address \
           FROM jsonb_array_elements(CAST($1 AS JSONB))) AS u \
         WHERE countersign_api_keys.id = u.id \
         AND coalesce(countersign_api_keys.last_used_at < u.at, TRUE)"
    };

    /// $1 a JSON array of uses, of which the latest of each account counts.
    USE_OF_ACCOUNTS = {
        sqlite: "UPDATE countersign_accounts SET last_used_at = u.at, last_used_from = u.address \
         FROM (SELECT unhex(value ->> 'account') AS account, max(value ->> 'at') AS at, \
           value ->> 'from' AS address FROM json_each($1) GROUP BY 1) AS u \
         WHERE countersign_accounts.id = u.account \
         AND coalesce(countersign_accounts.last_used_at < u.at, TRUE)",
        postgres: "UPDATE countersign_accounts SET last_used_at = u.at, last_used_from = u.address \
         FROM (SELECT DISTINCT ON (1) decode(value ->> 'account', 'hex') AS account, \
           CAST(value ->> 'at' AS BIGINT) AS at, value ->> 'from' AS address \
           FROM jsonb_array_elements(CAST($1 AS JSONB)) ORDER BY 1, 2 DESC) AS u \
         WHERE countersign_accounts.id = u.account \
         AND coalesce(countersign_accounts.last_used_at < u.at, TRUE)"
    };

    /// Keeps tokens whose keys are still there: $1 a JSON array of tokens. The hashes of
    /// those that were kept.
    REFRESH_TOKENS_INSERT = {
        sqlite: concat!(refresh_tokens_insert!(sqlite), " RETURNING hash"),
        postgres: concat!(refresh_tokens_insert!(postgres), " RETURNING hash")
    };

    /// The same without an answer, which costs for each row: SQLite's driver wakes a thread.
    REFRESH_TOKENS_ADD = {
        sqlite: refresh_tokens_insert!(sqlite),
        postgres: refresh_tokens_insert!(postgres)
    };

    /// Accounts that registrations would have made: $1 a JSON array of them.
    ACCOUNTS_REGISTER = {
        sqlite: "INSERT INTO countersign_accounts (id, name, disabled, created_at, registered) \
         SELECT unhex(t.value ->> 'id'), t.value ->> 'name', FALSE, t.value ->> 'created_at', TRUE \
         FROM json_each($1) AS t WHERE TRUE ON CONFLICT DO NOTHING RETURNING id",
        postgres: "INSERT INTO countersign_accounts (id, name, disabled, created_at, registered) \
         SELECT decode(t.value ->> 'id', 'hex'), t.value ->> 'name', FALSE, \
           CAST(t.value ->> 'created_at' AS BIGINT), TRUE \
         FROM jsonb_array_elements(CAST($1 AS JSONB)) AS t ON CONFLICT DO NOTHING RETURNING id"
    };

    /// Keys from elsewhere, for accounts that registrations have made or could have
    /// made: $1 a JSON array of keys.
    API_KEYS_IMPORT = {
        sqlite: concat!(
            "INSERT INTO countersign_api_keys (id, account, hash, comment, created_at, expires_at) \
             SELECT unhex(t.value ->> 'id'), a.id, unhex(t.value ->> 'hash'), t.value ->> 'comment', \
               t.value ->> 'created_at', t.value ->> 'expires_at' FROM json_each($1) AS t \
             CROSS JOIN countersign_accounts AS a ON a.id = unhex(t.value ->> 'account') \
             WHERE a.registered = TRUE AND NOT EXISTS \
               (SELECT 1 FROM countersign_account_groups AS g WHERE g.account = a.id) \
             ON CONFLICT DO NOTHING RETURNING ", api_key_columns!("countersign_api_keys")
        ),
        postgres: concat!(
            "INSERT INTO countersign_api_keys (id, account, hash, comment, created_at, expires_at) \
             SELECT decode(t.value ->> 'id', 'hex'), a.id, decode(t.value ->> 'hash', 'hex'), \
               t.value ->> 'comment', CAST(t.value ->> 'created_at' AS BIGINT), \
               CAST(t.value ->> 'expires_at' AS BIGINT) \
             FROM jsonb_array_elements(CAST($1 AS JSONB)) WITH ORDINALITY AS t (value, place) \
             JOIN countersign_accounts AS a ON a.id = decode(t.value ->> 'account', 'hex') \
             WHERE a.registered = TRUE AND NOT EXISTS \
               (SELECT 1 FROM countersign_account_groups AS g WHERE g.account = a.id) \
             ORDER BY t.place \
             ON CONFLICT DO NOTHING RETURNING ", api_key_columns!("countersign_api_keys")
        )
    };

    /// $1 a JSON array of hashes.
    API_KEYS_FIND = {
        sqlite: concat!(
            "SELECT ", api_key_columns!("k"), " FROM json_each($1) AS t \
             CROSS JOIN countersign_api_keys AS k ON k.hash = unhex(t.value)"
        ),
        postgres: concat!(
            "SELECT ", api_key_columns!("k"),
            " FROM jsonb_array_elements_text(CAST($1 AS JSONB)) AS t \
             JOIN countersign_api_keys AS k ON k.hash = decode(t.value, 'hex')"
        )
    };

    /// $1 now, $2 actor, $3 address, $4 a JSON array of the rest.
    AUDIT_INSERT_ALL = {
        sqlite: "INSERT INTO countersign_audit \
         (at, actor, address, action, target, state_before, state_after) \
         SELECT $1, $2, $3, t.value ->> 'action', t.value ->> 'target', t.value ->> 'before', \
           t.value ->> 'after' FROM json_each($4) AS t",
        postgres: "INSERT INTO countersign_audit \
         (at, actor, address, action, target, state_before, state_after) \
         SELECT $1, $2, $3, t.value ->> 'action', t.value ->> 'target', t.value ->> 'before', \
           t.value ->> 'after' \
         FROM jsonb_array_elements(CAST($4 AS JSONB)) WITH ORDINALITY AS t (value, place) \
         ORDER BY t.place"
    };

    /// The ids of the keys that are there, as a JSON array in hexadecimal: $1 such an
    /// array. NULL or empty if none is.
    API_KEYS_THERE = {
        sqlite: "SELECT json_group_array(lower(hex(k.id))) FROM json_each($1) AS t \
         CROSS JOIN countersign_api_keys AS k ON k.id = unhex(t.value)",
        postgres: "SELECT CAST(jsonb_agg(encode(k.id, 'hex')) AS TEXT) \
         FROM jsonb_array_elements_text(CAST($1 AS JSONB)) AS t \
         JOIN countersign_api_keys AS k ON k.id = decode(t.value, 'hex')"
    };

    /// $1 a JSON array of hashes.
    REFRESH_TOKENS_FIND = {
        sqlite: "SELECT r.hash, r.api_key, k.account, r.created_at, r.expires_at \
         FROM json_each($1) AS t \
         CROSS JOIN countersign_refresh_tokens AS r ON r.hash = unhex(t.value) \
         JOIN countersign_api_keys AS k ON k.id = r.api_key",
        postgres: "SELECT r.hash, r.api_key, k.account, r.created_at, r.expires_at \
         FROM jsonb_array_elements_text(CAST($1 AS JSONB)) AS t \
         JOIN countersign_refresh_tokens AS r ON r.hash = decode(t.value, 'hex') \
         JOIN countersign_api_keys AS k ON k.id = r.api_key"
    };
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};

    use super::{ALL, ALL_BY_DIALECT};
    use crate::sql::{Durability, PostgresLimits, PostgresServer, PostgresUrl, SqliteFile};

    /// Every statement as SQLite gets it.
    fn for_sqlite() -> impl Iterator<Item = (&'static str, &'static str)> {
        let own = ALL_BY_DIALECT.iter().map(|(name, by_dialect)| (*name, by_dialect.sqlite));
        ALL.iter().copied().chain(own)
    }

    /// Later versions are tried with what this one says: see CONTRIBUTING.md.
    #[test]
    fn the_kept_statements_are_those_of_this_version() {
        let newest = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas");
        let versions = std::fs::read_dir(newest).unwrap().map(|entry| entry.unwrap().file_name());
        let newest_of = |name: std::ffi::OsString| name.to_str().unwrap().parse::<u32>().unwrap();
        let version = versions.map(newest_of).max().unwrap();
        let for_postgres = ALL_BY_DIALECT.iter().map(|(name, both)| (*name, both.postgres));
        // Those of the replay guard stand with it.
        let for_postgres = for_postgres.chain(crate::replay::postgres_statements());
        let for_postgres: Vec<_> = ALL.iter().copied().chain(for_postgres).collect();
        for (dialect, statements) in
            [("sqlite", for_sqlite().collect()), ("postgres", for_postgres)]
        {
            let file = format!("{newest}/{version}/statements.{dialect}.sql");
            let text: Vec<String> =
                statements.iter().map(|(name, sql)| format!("-- {name}\n{sql};\n")).collect();
            let text = text.join("\n");
            let kept = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(kept == text, "{file} must be:\n{text}");
        }
    }

    async fn database(directory: &tempfile::TempDir) -> SqliteFile {
        let path = directory.path().join("countersign.db");
        SqliteFile::open(&path, Durability::default()).await.unwrap()
    }

    #[tokio::test]
    async fn every_statement_can_be_prepared_on_sqlite() {
        let directory = tempfile::tempdir().unwrap();
        let mut reading = database(&directory).await.read().await.unwrap();
        assert!(ALL.len() > 20, "the list is made with the statements");
        for (name, sql) in for_sqlite() {
            if let Err(error) = reading.prepare(AssertSqlSafe(sql).into_sql_str()).await {
                panic!("{name}: {error}");
            }
        }
    }

    async fn postgres() -> PostgresServer {
        let database = countersign_testbed::fresh_database().await.unwrap();
        let url = PostgresUrl::parse(database.url()).unwrap();
        PostgresServer::open(&url, PostgresLimits::default()).await.unwrap()
    }

    /// Where the server cannot tell what a value is, `INSERT .. SELECT $1` for one, the
    /// driver says it when it binds the value; here nothing is bound.
    #[tokio::test]
    async fn every_statement_can_be_prepared_on_postgres() {
        let mut connection = postgres().await.connect().await.unwrap();
        let own = ALL_BY_DIALECT.iter().map(|(name, by_dialect)| (*name, by_dialect.postgres));
        for (name, sql) in ALL.iter().copied().chain(own) {
            let prepared = connection.prepare(AssertSqlSafe(sql).into_sql_str()).await;
            if let Err(error) = prepared {
                let untyped = error.to_string().contains("but expression is of type text");
                assert!(untyped && sql.contains("SELECT $"), "{name}: {error}");
            }
        }
    }

    /// What each table and column is, in the words of neither database.
    fn schema(columns: Vec<(String, String, String, bool)>) -> Vec<String> {
        let mut lines: Vec<String> = columns
            .into_iter()
            .filter(|(table, ..)| table.starts_with("countersign_"))
            .map(|(table, column, kind, nullable)| {
                let kind = match kind.to_lowercase().as_str() {
                    "blob" | "bytea" => "bytes",
                    "integer" | "bigint" => "number",
                    "text" => "text",
                    "boolean" => "truth",
                    other => panic!("{table}.{column} is {other}"),
                };
                format!("{table}.{column}: {kind}{}", if nullable { "?" } else { "" })
            })
            .collect();
        lines.sort();
        lines
    }

    #[tokio::test]
    async fn the_schemas_of_both_databases_agree() {
        let directory = tempfile::tempdir().unwrap();
        let mut reading = database(&directory).await.read().await.unwrap();
        // A key that counts up is never NULL, whatever SQLite says.
        let in_sqlite = "SELECT t.name, c.name, c.type, NOT (c.\"notnull\" OR c.pk) \
            FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table'";
        let sqlite = sqlx::query_as(in_sqlite).fetch_all(&mut *reading).await.unwrap();
        // What servers share of spent nonces they share on PostgreSQL alone.
        let in_postgres = "SELECT table_name::text, column_name::text, data_type::text, \
            is_nullable = 'YES' FROM information_schema.columns AS c \
            JOIN information_schema.tables AS t USING (table_schema, table_name) \
            WHERE t.table_type = 'BASE TABLE' AND table_schema = 'public' \
            AND NOT starts_with(table_name, 'countersign_nonce')";
        let mut connection = postgres().await.connect().await.unwrap();
        let postgres = sqlx::query_as(in_postgres).fetch_all(&mut connection).await.unwrap();
        let (sqlite, postgres) = (schema(sqlite), schema(postgres));
        assert!(sqlite.len() > 50, "{sqlite:#?}");
        assert_eq!(sqlite, postgres);
    }

    /// A million accounts must not make an act slow: but for the statements that
    /// are about all of them, none may look at a whole table.
    #[tokio::test]
    async fn statements_find_what_they_are_about_by_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let mut reading = database(&directory).await.read().await.unwrap();
        // Of signing keys and of tokens that were revoked by their id there are few.
        let about_all = [
            "INSTANCE",
            "ACCOUNT_INSERT_FIRST",
            "SIGNING_KEYS",
            "SIGNING_KEYS_SEALED",
            "SIGNING_KEY_ANY",
            "SECRETS",
            "TOKENS_REVOKED",
            "TOKENS_REVOKED_FORGET",
            "ARRIVED_REFRESH_TOKENS",
        ];
        for (name, sql) in for_sqlite().filter(|(name, _)| !about_all.contains(name)) {
            let explain = format!("EXPLAIN QUERY PLAN {sql}");
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(AssertSqlSafe(explain)).fetch_all(&mut *reading).await.unwrap();
            for (.., step) in plan {
                // `u` and `t` are the rows that a statement was given.
                let given = ["SCAN u", "SCAN t", "SCAN json_each", "SCAN CONSTANT ROW"];
                let of_given = given.iter().any(|scan| step.starts_with(scan));
                assert!(!step.starts_with("SCAN") || of_given, "{name}: {step}");
                // A page costs what it shows, however many accounts or acts there are.
                let pages = name.contains("PAGE") || name.contains("LATEST");
                let sorts = step.starts_with("USE TEMP B-TREE FOR ORDER BY");
                assert!(!(pages && sorts), "{name}: {step}");
            }
        }
    }
}
