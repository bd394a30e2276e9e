-- ACCOUNT_BY_NAME
SELECT a.id, a.name, a.disabled, a.created_at, a.last_used_at, a.last_used_from, a.registered, a.tokens_revoked_at, (SELECT string_agg(g.name, ',') FROM countersign_account_groups AS g WHERE g.account = a.id) FROM countersign_accounts AS a WHERE a.name = $1;

-- ACCOUNT_PAGE
SELECT a.id, a.name, a.disabled, a.created_at, a.last_used_at, a.last_used_from, a.registered, a.tokens_revoked_at, (SELECT string_agg(g.name, ',') FROM countersign_account_groups AS g WHERE g.account = a.id) FROM countersign_accounts AS a WHERE a.name > $1 AND ($3 = '' OR EXISTS (SELECT 1 FROM countersign_account_groups AS f WHERE f.account = a.id AND f.name = $3)) AND ($4 = '' OR replace(a.name, $4, '') <> a.name) AND ($5 = FALSE OR a.disabled = TRUE) AND (CAST($6 AS BIGINT) IS NULL OR COALESCE(a.last_used_at, a.created_at) < $6) AND (CAST($7 AS BIGINT) IS NULL OR EXISTS (SELECT 1 FROM countersign_public_keys AS e WHERE e.account = a.id AND e.revoked_at IS NULL AND e.expires_at > $7 AND e.expires_at <= $8)) ORDER BY a.name LIMIT $2;

-- ACCOUNT_PAGE_NEWEST
SELECT a.id, a.name, a.disabled, a.created_at, a.last_used_at, a.last_used_from, a.registered, a.tokens_revoked_at, (SELECT string_agg(g.name, ',') FROM countersign_account_groups AS g WHERE g.account = a.id) FROM countersign_accounts AS a WHERE (a.created_at, a.name) < ($9, $1) AND ($3 = '' OR EXISTS (SELECT 1 FROM countersign_account_groups AS f WHERE f.account = a.id AND f.name = $3)) AND ($4 = '' OR replace(a.name, $4, '') <> a.name) AND ($5 = FALSE OR a.disabled = TRUE) AND (CAST($6 AS BIGINT) IS NULL OR COALESCE(a.last_used_at, a.created_at) < $6) AND (CAST($7 AS BIGINT) IS NULL OR EXISTS (SELECT 1 FROM countersign_public_keys AS e WHERE e.account = a.id AND e.revoked_at IS NULL AND e.expires_at > $7 AND e.expires_at <= $8)) ORDER BY a.created_at DESC, a.name DESC LIMIT $2;

-- ACCOUNT_INSERT
INSERT INTO countersign_accounts (id, name, disabled, created_at) VALUES ($1, $2, FALSE, $3) ON CONFLICT DO NOTHING RETURNING id;

-- ACCOUNT_INSERT_FIRST
INSERT INTO countersign_accounts (id, name, disabled, created_at) SELECT $1, $2, FALSE, $3 WHERE NOT EXISTS (SELECT 1 FROM countersign_accounts) ON CONFLICT DO NOTHING RETURNING id;

-- ACCOUNT_SET_DISABLED
UPDATE countersign_accounts SET disabled = $2 WHERE name = $1 AND ($2 = FALSE OR (NOT EXISTS (SELECT 1 FROM countersign_admin_keys AS mine WHERE mine.account = countersign_accounts.id AND (mine.expires_at IS NULL OR mine.expires_at > $3)) OR EXISTS (SELECT 1 FROM countersign_admin_keys AS other WHERE other.account <> countersign_accounts.id AND (other.expires_at IS NULL OR other.expires_at > $3)))) RETURNING id;

-- ACCOUNT_MAY_CHANGE_GROUPS
UPDATE countersign_accounts SET name = name WHERE name = $1 AND ($2 = TRUE OR (NOT EXISTS (SELECT 1 FROM countersign_admin_keys AS mine WHERE mine.account = countersign_accounts.id AND (mine.expires_at IS NULL OR mine.expires_at > $3)) OR EXISTS (SELECT 1 FROM countersign_admin_keys AS other WHERE other.account <> countersign_accounts.id AND (other.expires_at IS NULL OR other.expires_at > $3)))) RETURNING id;

-- ACCOUNT_DELETE
DELETE FROM countersign_accounts WHERE name = $1 AND (NOT EXISTS (SELECT 1 FROM countersign_admin_keys AS mine WHERE mine.account = countersign_accounts.id AND (mine.expires_at IS NULL OR mine.expires_at > $2)) OR EXISTS (SELECT 1 FROM countersign_admin_keys AS other WHERE other.account <> countersign_accounts.id AND (other.expires_at IS NULL OR other.expires_at > $2))) RETURNING id;

-- GROUPS_DELETE
DELETE FROM countersign_account_groups WHERE account = $1;

-- GROUP_INSERT
INSERT INTO countersign_account_groups (account, name) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- KEYS_OF_ACCOUNT
SELECT k.sequence, k.account, k.spki, k.comment, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.last_used_from FROM countersign_accounts AS a JOIN countersign_public_keys AS k ON k.account = a.id WHERE a.name = $1 ORDER BY k.sequence;

-- KEY_BY_FINGERPRINT
SELECT k.sequence, k.account, k.spki, k.comment, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.last_used_from FROM countersign_accounts AS a JOIN countersign_public_keys AS k ON k.account = a.id WHERE a.name = $1 AND $2 IN (k.openssh, k.thumbprint, k.spki_pem_sha256);

-- KEY_INSERT
INSERT INTO countersign_public_keys (account, openssh, thumbprint, spki_pem_sha256, spki, comment, created_at, expires_at) SELECT a.id, $2, $3, $4, $5, $6, $7, $8 FROM countersign_accounts AS a WHERE a.name = $1 ON CONFLICT DO NOTHING RETURNING countersign_public_keys.sequence, countersign_public_keys.account, countersign_public_keys.spki, countersign_public_keys.comment, countersign_public_keys.created_at, countersign_public_keys.expires_at, countersign_public_keys.revoked_at, countersign_public_keys.last_used_at, countersign_public_keys.last_used_from;

-- KEY_EXPIRE
UPDATE countersign_public_keys SET expires_at = $2 WHERE sequence = $1 AND revoked_at IS NULL AND (CAST($2 AS BIGINT) IS NULL OR (NOT EXISTS (SELECT 1 FROM countersign_admin_keys AS mine WHERE mine.sequence = countersign_public_keys.sequence AND mine.account = countersign_public_keys.account AND (mine.expires_at IS NULL OR mine.expires_at > $3)) OR EXISTS (SELECT 1 FROM countersign_admin_keys AS other WHERE other.sequence <> countersign_public_keys.sequence AND (other.expires_at IS NULL OR other.expires_at > $3)))) RETURNING countersign_public_keys.sequence, countersign_public_keys.account, countersign_public_keys.spki, countersign_public_keys.comment, countersign_public_keys.created_at, countersign_public_keys.expires_at, countersign_public_keys.revoked_at, countersign_public_keys.last_used_at, countersign_public_keys.last_used_from;

-- KEY_REVOKE
UPDATE countersign_public_keys SET revoked_at = $2 WHERE sequence = $1 AND revoked_at IS NULL AND (NOT EXISTS (SELECT 1 FROM countersign_admin_keys AS mine WHERE mine.sequence = countersign_public_keys.sequence AND mine.account = countersign_public_keys.account AND (mine.expires_at IS NULL OR mine.expires_at > $2)) OR EXISTS (SELECT 1 FROM countersign_admin_keys AS other WHERE other.sequence <> countersign_public_keys.sequence AND (other.expires_at IS NULL OR other.expires_at > $2))) RETURNING countersign_public_keys.sequence, countersign_public_keys.account, countersign_public_keys.spki, countersign_public_keys.comment, countersign_public_keys.created_at, countersign_public_keys.expires_at, countersign_public_keys.revoked_at, countersign_public_keys.last_used_at, countersign_public_keys.last_used_from;

-- ENDPOINTS_OF_ACCOUNT
SELECT e.account, e.url, e.created_at FROM countersign_accounts AS a JOIN countersign_jwks_endpoints AS e ON e.account = a.id WHERE a.name = $1 ORDER BY e.sequence;

-- ENDPOINT_INSERT
INSERT INTO countersign_jwks_endpoints (account, url, created_at) SELECT a.id, $2, $3 FROM countersign_accounts AS a WHERE a.name = $1 ON CONFLICT DO NOTHING RETURNING account, url, created_at;

-- ENDPOINT_DELETE
DELETE FROM countersign_jwks_endpoints WHERE account = (SELECT a.id FROM countersign_accounts AS a WHERE a.name = $1) AND url = $2 RETURNING account, url, created_at;

-- KEYS_OF_RANGE
SELECT k.sequence, k.account, k.spki, k.comment, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.last_used_from FROM countersign_accounts AS a JOIN countersign_public_keys AS k ON k.account = a.id WHERE a.name > $1 AND a.name <= $2 ORDER BY a.name, k.sequence;

-- ENDPOINTS_OF_RANGE
SELECT e.account, e.url, e.created_at FROM countersign_accounts AS a JOIN countersign_jwks_endpoints AS e ON e.account = a.id WHERE a.name > $1 AND a.name <= $2 ORDER BY a.name, e.sequence;

-- ACCOUNT_REVOKE_TOKENS
UPDATE countersign_accounts SET tokens_revoked_at = CASE WHEN tokens_revoked_at > $2 THEN tokens_revoked_at ELSE $2 END WHERE name = $1 RETURNING id;

-- ACCOUNT_REGISTER
INSERT INTO countersign_accounts (id, name, disabled, created_at, registered) VALUES ($1, $2, FALSE, $3, TRUE) ON CONFLICT DO NOTHING RETURNING id;

-- ACCOUNT_NAME_BY_ID
SELECT name FROM countersign_accounts WHERE id = $1;

-- ACCOUNT_NAME_BY_API_KEY
SELECT a.name FROM countersign_api_keys AS k JOIN countersign_accounts AS a ON a.id = k.account WHERE k.hash = $1;

-- API_KEYS_OF_ACCOUNT
SELECT k.id, k.account, k.hash, k.comment, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.last_used_from FROM countersign_accounts AS a JOIN countersign_api_keys AS k ON k.account = a.id WHERE a.name = $1 ORDER BY k.sequence;

-- API_KEYS_OF_RANGE
SELECT k.id, k.account, k.hash, k.comment, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.last_used_from FROM countersign_accounts AS a JOIN countersign_api_keys AS k ON k.account = a.id WHERE a.name > $1 AND a.name <= $2 ORDER BY a.name, k.sequence;

-- API_KEY_OF_ACCOUNT
SELECT k.id, k.account, k.hash, k.comment, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.last_used_from FROM countersign_accounts AS a JOIN countersign_api_keys AS k ON k.account = a.id WHERE a.name = $1 AND k.id = $2;

-- API_KEY_BY_HASH
SELECT k.id, k.account, k.hash, k.comment, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.last_used_from FROM countersign_api_keys AS k WHERE k.hash = $1;

-- API_KEY_INSERT
INSERT INTO countersign_api_keys (id, account, hash, comment, created_at, expires_at) SELECT $2, a.id, $3, $4, $5, $6 FROM countersign_accounts AS a WHERE a.name = $1 ON CONFLICT DO NOTHING RETURNING countersign_api_keys.id, countersign_api_keys.account, countersign_api_keys.hash, countersign_api_keys.comment, countersign_api_keys.created_at, countersign_api_keys.expires_at, countersign_api_keys.revoked_at, countersign_api_keys.last_used_at, countersign_api_keys.last_used_from;

-- API_KEY_REGISTER
INSERT INTO countersign_api_keys (id, account, hash, comment, created_at, expires_at) SELECT $2, a.id, $3, $4, $5, $6 FROM countersign_accounts AS a WHERE a.id = $1 AND a.registered = TRUE AND a.disabled = FALSE AND NOT EXISTS (SELECT 1 FROM countersign_account_groups AS g WHERE g.account = a.id) ON CONFLICT (hash) DO UPDATE SET expires_at = excluded.expires_at WHERE countersign_api_keys.account = excluded.account AND countersign_api_keys.revoked_at IS NULL RETURNING countersign_api_keys.id, countersign_api_keys.account, countersign_api_keys.hash, countersign_api_keys.comment, countersign_api_keys.created_at, countersign_api_keys.expires_at, countersign_api_keys.revoked_at, countersign_api_keys.last_used_at, countersign_api_keys.last_used_from;

-- API_KEY_EXPIRE
UPDATE countersign_api_keys SET expires_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING countersign_api_keys.id, countersign_api_keys.account, countersign_api_keys.hash, countersign_api_keys.comment, countersign_api_keys.created_at, countersign_api_keys.expires_at, countersign_api_keys.revoked_at, countersign_api_keys.last_used_at, countersign_api_keys.last_used_from;

-- API_KEY_REVOKE
UPDATE countersign_api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING countersign_api_keys.id, countersign_api_keys.account, countersign_api_keys.hash, countersign_api_keys.comment, countersign_api_keys.created_at, countersign_api_keys.expires_at, countersign_api_keys.revoked_at, countersign_api_keys.last_used_at, countersign_api_keys.last_used_from;

-- TOKEN_REVOKE
INSERT INTO countersign_revoked_tokens (token_id, remember_until) VALUES ($1, $2) ON CONFLICT (token_id) DO UPDATE SET remember_until = excluded.remember_until WHERE countersign_revoked_tokens.remember_until < excluded.remember_until;

-- TOKEN_REVOKED
SELECT token_id FROM countersign_revoked_tokens WHERE token_id = $1;

-- TOKENS_REVOKED
SELECT token_id, remember_until FROM countersign_revoked_tokens;

-- TOKENS_REVOKED_FORGET
DELETE FROM countersign_revoked_tokens WHERE remember_until < $1;

-- VISIT_INSERT
INSERT INTO countersign_console_visits (hash, kind, account, name, spki, began_at, ends_at) SELECT $2, $3, a.id, $4, $5, $6, $7 FROM countersign_accounts AS a WHERE a.id = $1;

-- VISITS_FORGET
DELETE FROM countersign_console_visits WHERE ends_at <= $1;

-- VISITS_MAKE_ROOM
DELETE FROM countersign_console_visits WHERE hash IN (SELECT v.hash FROM countersign_console_visits AS v WHERE v.account = $1 AND v.kind = $2 ORDER BY v.ends_at DESC LIMIT 1000 OFFSET $3);

-- VISIT
SELECT account, name, spki, began_at, ends_at FROM countersign_console_visits WHERE hash = $1 AND kind = $2 AND ends_at > $3;

-- VISIT_END
DELETE FROM countersign_console_visits WHERE hash = $1 AND kind = $2 AND ends_at > $3 RETURNING account, name, spki, began_at, ends_at;

-- SESSION_PROLONG
UPDATE countersign_console_visits SET ends_at = $2 WHERE hash = $1 AND kind = 'session' AND ends_at < $2;

-- SIGNING_KEY_INSERT
INSERT INTO countersign_signing_keys (kid, algorithm, spki, sealed, published_at, activated_at, retired_at, gone_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING kid;

-- SIGNING_KEYS
SELECT kid, algorithm, spki, sealed, published_at, activated_at, retired_at, gone_at FROM countersign_signing_keys ORDER BY published_at, kid;

-- SIGNING_KEY
SELECT kid, algorithm, spki, sealed, published_at, activated_at, retired_at, gone_at FROM countersign_signing_keys WHERE kid = $1;

-- SIGNING_KEY_ANY
SELECT kid FROM countersign_signing_keys LIMIT 1;

-- SIGNING_KEY_ACTIVATE
UPDATE countersign_signing_keys SET activated_at = $2 WHERE kid = $1 AND activated_at IS NULL AND retired_at IS NULL RETURNING kid;

-- SIGNING_KEY_RETIRE
UPDATE countersign_signing_keys SET retired_at = $2, gone_at = $3 WHERE kid = $1 AND activated_at IS NOT NULL AND retired_at IS NULL RETURNING kid;

-- SIGNING_KEY_DROP
UPDATE countersign_signing_keys SET retired_at = coalesce(retired_at, $2), gone_at = $3 WHERE kid = $1 AND (activated_at IS NULL OR retired_at IS NOT NULL) RETURNING kid;

-- SIGNING_KEY_DISCARD
UPDATE countersign_signing_keys SET retired_at = coalesce(retired_at, $2), gone_at = $2, sealed = NULL WHERE kid = $1 RETURNING kid;

-- SIGNING_KEYS_SEALED
SELECT kid, sealed FROM countersign_signing_keys WHERE sealed IS NOT NULL ORDER BY published_at, kid;

-- SECRET_INSERT
INSERT INTO countersign_secrets (name, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- SECRET
SELECT sealed FROM countersign_secrets WHERE name = $1;

-- SECRETS
SELECT name, sealed FROM countersign_secrets ORDER BY name;

-- SECRET_RESEAL
UPDATE countersign_secrets SET sealed = $3 WHERE name = $1 AND sealed = $2 RETURNING name;

-- SIGNING_KEY_RESEAL
UPDATE countersign_signing_keys SET sealed = $3 WHERE kid = $1 AND sealed = $2 RETURNING kid;

-- REFRESH_TOKENS_STRETCH
SELECT hash FROM countersign_refresh_tokens WHERE hash > $1 ORDER BY hash LIMIT 1 OFFSET $2;

-- REFRESH_TOKENS_DELETE_EXPIRED
DELETE FROM countersign_refresh_tokens WHERE hash > $1 AND hash <= $2 AND expires_at < $3;

-- ARRIVED_REFRESH_TOKENS_INSERT
INSERT INTO countersign_arrived_refresh_tokens (tokens) VALUES ($1) RETURNING batch;

-- ARRIVED_REFRESH_TOKENS
SELECT batch, tokens FROM countersign_arrived_refresh_tokens ORDER BY batch;

-- ARRIVED_REFRESH_TOKENS_DELETE
DELETE FROM countersign_arrived_refresh_tokens WHERE batch <= $1;

-- AUDIT_INSERT
INSERT INTO countersign_audit (at, actor, address, action, target, state_before, state_after) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- TRAIL_ROWS
SELECT sequence, at, actor, address, action, target, state_before, state_after FROM countersign_audit WHERE sequence > $1 ORDER BY sequence LIMIT $2;

-- TRAIL_LAST
SELECT sequence, at, actor, address, action, target, state_before, state_after FROM countersign_audit WHERE sequence > 0 ORDER BY sequence DESC LIMIT 1;

-- AUDIT_PAGE
SELECT sequence, at, actor, address, action, target, state_before, state_after FROM countersign_audit WHERE sequence > $1 AND ($3 = '' OR actor = $3) AND ($4 = '' OR action = $4) AND ($5 = '' OR replace(target, $5, '') <> target) AND at >= $6 ORDER BY sequence LIMIT $2;

-- AUDIT_LATEST
SELECT sequence, at, actor, address, action, target, state_before, state_after FROM countersign_audit WHERE sequence < $1 AND ($3 = '' OR actor = $3) AND ($4 = '' OR action = $4) AND ($5 = '' OR replace(target, $5, '') <> target) AND at >= $6 ORDER BY sequence DESC LIMIT $2;

-- INSTANCE_INSERT
INSERT INTO countersign_instance (singleton, id) VALUES (1, $1) ON CONFLICT DO NOTHING;

-- INSTANCE
SELECT id FROM countersign_instance;

-- USE_OF_KEYS
UPDATE countersign_public_keys SET last_used_at = u.at, last_used_from = u.address FROM (SELECT decode(value ->> 'account', 'hex') AS account, value ->> 'key' AS openssh, CAST(value ->> 'at' AS BIGINT) AS at, value ->> 'from' AS address FROM jsonb_array_elements(CAST($1 AS JSONB))) AS u WHERE countersign_public_keys.account = u.account AND countersign_public_keys.openssh = u.openssh AND coalesce(countersign_public_keys.last_used_at < u.at, TRUE);

-- USE_OF_API_KEYS
UPDATE countersign_api_keys SET last_used_at = u.at, last_used_from = u.address FROM (SELECT decode(value ->> 'api_key', 'hex') AS id, CAST(value ->> 'at' AS BIGINT) AS at, value ->> 'from' AS address FROM jsonb_array_elements(CAST($1 AS JSONB))) AS u WHERE countersign_api_keys.id = u.id AND coalesce(countersign_api_keys.last_used_at < u.at, TRUE);

-- USE_OF_ACCOUNTS
UPDATE countersign_accounts SET last_used_at = u.at, last_used_from = u.address FROM (SELECT DISTINCT ON (1) decode(value ->> 'account', 'hex') AS account, CAST(value ->> 'at' AS BIGINT) AS at, value ->> 'from' AS address FROM jsonb_array_elements(CAST($1 AS JSONB)) ORDER BY 1, 2 DESC) AS u WHERE countersign_accounts.id = u.account AND coalesce(countersign_accounts.last_used_at < u.at, TRUE);

-- REFRESH_TOKENS_INSERT
INSERT INTO countersign_refresh_tokens (hash, api_key, created_at, expires_at) SELECT decode(t.value ->> 'hash', 'hex'), k.id, CAST(t.value ->> 'created_at' AS BIGINT), CAST(t.value ->> 'expires_at' AS BIGINT) FROM jsonb_array_elements(CAST($1 AS JSONB)) AS t JOIN countersign_api_keys AS k ON k.id = decode(t.value ->> 'api_key', 'hex') ON CONFLICT DO NOTHING RETURNING hash;

-- REFRESH_TOKENS_ADD
INSERT INTO countersign_refresh_tokens (hash, api_key, created_at, expires_at) SELECT decode(t.value ->> 'hash', 'hex'), k.id, CAST(t.value ->> 'created_at' AS BIGINT), CAST(t.value ->> 'expires_at' AS BIGINT) FROM jsonb_array_elements(CAST($1 AS JSONB)) AS t JOIN countersign_api_keys AS k ON k.id = decode(t.value ->> 'api_key', 'hex') ON CONFLICT DO NOTHING;

-- ACCOUNTS_REGISTER
INSERT INTO countersign_accounts (id, name, disabled, created_at, registered) SELECT decode(t.value ->> 'id', 'hex'), t.value ->> 'name', FALSE, CAST(t.value ->> 'created_at' AS BIGINT), TRUE FROM jsonb_array_elements(CAST($1 AS JSONB)) AS t ON CONFLICT DO NOTHING RETURNING id;

-- API_KEYS_IMPORT
INSERT INTO countersign_api_keys (id, account, hash, comment, created_at, expires_at) SELECT decode(t.value ->> 'id', 'hex'), a.id, decode(t.value ->> 'hash', 'hex'), t.value ->> 'comment', CAST(t.value ->> 'created_at' AS BIGINT), CAST(t.value ->> 'expires_at' AS BIGINT) FROM jsonb_array_elements(CAST($1 AS JSONB)) WITH ORDINALITY AS t (value, place) JOIN countersign_accounts AS a ON a.id = decode(t.value ->> 'account', 'hex') WHERE a.registered = TRUE AND NOT EXISTS (SELECT 1 FROM countersign_account_groups AS g WHERE g.account = a.id) ORDER BY t.place ON CONFLICT DO NOTHING RETURNING countersign_api_keys.id, countersign_api_keys.account, countersign_api_keys.hash, countersign_api_keys.comment, countersign_api_keys.created_at, countersign_api_keys.expires_at, countersign_api_keys.revoked_at, countersign_api_keys.last_used_at, countersign_api_keys.last_used_from;

-- API_KEYS_FIND
SELECT k.id, k.account, k.hash, k.comment, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.last_used_from FROM jsonb_array_elements_text(CAST($1 AS JSONB)) AS t JOIN countersign_api_keys AS k ON k.hash = decode(t.value, 'hex');

-- AUDIT_INSERT_ALL
INSERT INTO countersign_audit (at, actor, address, action, target, state_before, state_after) SELECT $1, $2, $3, t.value ->> 'action', t.value ->> 'target', t.value ->> 'before', t.value ->> 'after' FROM jsonb_array_elements(CAST($4 AS JSONB)) WITH ORDINALITY AS t (value, place) ORDER BY t.place;

-- API_KEYS_THERE
SELECT CAST(jsonb_agg(encode(k.id, 'hex')) AS TEXT) FROM jsonb_array_elements_text(CAST($1 AS JSONB)) AS t JOIN countersign_api_keys AS k ON k.id = decode(t.value, 'hex');

-- REFRESH_TOKENS_FIND
SELECT r.hash, r.api_key, k.account, r.created_at, r.expires_at FROM jsonb_array_elements_text(CAST($1 AS JSONB)) AS t JOIN countersign_refresh_tokens AS r ON r.hash = decode(t.value, 'hex') JOIN countersign_api_keys AS k ON k.id = r.api_key;

-- NONCE_NOW
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

-- NONCE_LOOK
SELECT identity = (SELECT system_identifier FROM pg_control_system()) || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) || '/' || present.xmin AND (pg_current_wal_flush_lsn() - '0/0')::bigint >= $1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM countersign_nonce_epoch AS present;

-- NONCE_UNLOGGED
SELECT relname::text FROM pg_catalog.pg_class WHERE relpersistence <> 'p' AND oid IN (SELECT to_regclass('countersign_nonces_' || number) FROM generate_series(0, 7) AS number);

-- NONCE_BUCKETS
INSERT INTO countersign_nonce_buckets (bucket, epoch, starts_at) SELECT number, 0, $1 FROM generate_series(0, 7) AS number ON CONFLICT DO NOTHING;

-- NONCE_EPOCH_TOLD
SELECT tolerance FROM countersign_nonce_epoch FOR UPDATE;

-- NONCE_EPOCH_CHANGE
INSERT INTO countersign_nonce_epoch AS present (sole, number, identity, since, tolerance) VALUES (TRUE, 1, (SELECT system_identifier FROM pg_control_system()) || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) || '/' || pg_current_xact_id()::xid, 0, $1) ON CONFLICT (sole) DO UPDATE SET number = present.number + 1, identity = EXCLUDED.identity, since = present.since + present.tolerance - CASE WHEN $4 THEN EXCLUDED.tolerance ELSE present.tolerance END, tolerance = CASE WHEN $4 THEN EXCLUDED.tolerance ELSE present.tolerance END WHERE present.identity <> (SELECT system_identifier FROM pg_control_system()) || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) || '/' || present.xmin OR $2 OR (present.number <= $5 AND (pg_current_wal_flush_lsn() - '0/0')::bigint < $3) OR ($4 AND present.tolerance <> EXCLUDED.tolerance);

-- NONCE_EPOCH_SHUT
UPDATE countersign_nonce_buckets SET epoch = present.number, starts_at = $1 FROM countersign_nonce_epoch AS present WHERE epoch < present.number;

-- NONCE_EPOCH_BEGIN
UPDATE countersign_nonce_epoch SET since = greatest(since, $2 + greatest($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, (extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000000)::bigint));

-- NONCE_EPOCH_PRESENT
SELECT number, since, tolerance, identity, (pg_current_wal_flush_lsn() - '0/0')::bigint AS reached FROM countersign_nonce_epoch;

-- NONCES_ENTER
WITH asked AS MATERIALIZED (SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) ELSE '' END AS wait, EXISTS (SELECT 1 FROM countersign_nonce_epoch AS present WHERE number = $2 AND identity = $6 AND identity = (SELECT system_identifier FROM pg_control_system()) || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) || '/' || present.xmin) AND (pg_current_wal_flush_lsn() - '0/0')::bigint >= $7 AS known, (pg_current_wal_flush_lsn() - '0/0')::bigint AS reached), fit AS MATERIALIZED (SELECT 1 FROM countersign_nonce_buckets WHERE bucket = $1 AND epoch = $2 AND starts_at = $3 AND (SELECT known AND wait IS NOT NULL FROM asked) FOR SHARE), entered AS (INSERT INTO countersign_nonces_0 (key, attempt) SELECT key, attempt FROM unnest($4::bytea[], $5::bytea[]) AS uses (key, attempt) WHERE EXISTS (SELECT 1 FROM fit) ON CONFLICT DO NOTHING RETURNING key) SELECT known, reached, EXISTS (SELECT 1 FROM fit) AS fits, ARRAY(SELECT key FROM entered) AS entered, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now FROM asked;

-- NONCES_OWN
SELECT key FROM countersign_nonces_0 WHERE (key, attempt) IN (SELECT key, attempt FROM unnest($1::bytea[], $2::bytea[]) AS uses (key, attempt));

-- NONCES_LOCK
LOCK TABLE countersign_nonces_0 IN ACCESS EXCLUSIVE MODE;

-- NONCES_EMPTY
TRUNCATE countersign_nonces_0;

-- NONCES_EMPTY_SLOWLY
DELETE FROM countersign_nonces_0;

-- NONCE_BUCKET_TURN
UPDATE countersign_nonce_buckets SET starts_at = $3 WHERE bucket = $1 AND epoch = $2 AND starts_at < $3;

-- NONCE_BUCKET_STATE
SELECT epoch, starts_at FROM countersign_nonce_buckets WHERE bucket = $1;
