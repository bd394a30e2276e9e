CREATE TABLE countersign_migrations (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, runs_beside BIGINT);
CREATE TABLE countersign_instance (
    singleton BIGINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    id TEXT NOT NULL
);
CREATE TABLE countersign_accounts (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    last_used_from TEXT
, registered BOOLEAN NOT NULL DEFAULT FALSE, tokens_revoked_at BIGINT);
CREATE TABLE countersign_account_groups (
    account BLOB NOT NULL REFERENCES countersign_accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    PRIMARY KEY (account, name)
) WITHOUT ROWID;
CREATE INDEX countersign_account_groups_by_name ON countersign_account_groups (name);
CREATE TABLE countersign_public_keys (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    account BLOB NOT NULL REFERENCES countersign_accounts (id) ON DELETE CASCADE,
    openssh TEXT NOT NULL,
    thumbprint TEXT NOT NULL,
    spki_pem_sha256 TEXT NOT NULL,
    spki BLOB NOT NULL,
    comment TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT,
    last_used_from TEXT,
    UNIQUE (account, openssh)
);
CREATE TABLE countersign_jwks_endpoints (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    account BLOB NOT NULL REFERENCES countersign_accounts (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (account, url)
);
CREATE TABLE countersign_audit (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    state_before TEXT NOT NULL,
    state_after TEXT NOT NULL
);
CREATE VIEW countersign_admin_keys AS
SELECT k.sequence AS sequence, k.account AS account, k.expires_at AS expires_at
FROM countersign_account_groups AS g
JOIN countersign_accounts AS a ON a.id = g.account
JOIN countersign_public_keys AS k ON k.account = a.id
WHERE g.name = 'admin' AND a.disabled = FALSE AND k.revoked_at IS NULL
;
CREATE TABLE countersign_spent_nonces (
    id INTEGER NOT NULL PRIMARY KEY,
    -- The earliest and the latest time of a token in the batch; the latter decides
    -- when it is deleted.
    oldest_time BIGINT NOT NULL,
    newest_time BIGINT NOT NULL,
    -- Up to when the batch must be remembered.
    expires_at BIGINT NOT NULL,
    -- Tokens with an earlier time are refused, remembered or not.
    refused_before BIGINT NOT NULL,
    -- For each use its 16-byte key and its token's time in 8 bytes, big-endian.
    entries BLOB NOT NULL
);
CREATE INDEX countersign_spent_nonces_by_time
    ON countersign_spent_nonces (newest_time, oldest_time, expires_at, refused_before);
CREATE TABLE countersign_api_keys (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    account BLOB NOT NULL REFERENCES countersign_accounts (id) ON DELETE CASCADE,
    hash BLOB NOT NULL UNIQUE,
    comment TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT,
    last_used_from TEXT
);
CREATE INDEX countersign_api_keys_by_account ON countersign_api_keys (account, sequence);
CREATE TABLE countersign_refresh_tokens (
    hash BLOB NOT NULL PRIMARY KEY,
    api_key BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE TABLE countersign_arrived_refresh_tokens (
    batch INTEGER NOT NULL PRIMARY KEY,
    -- For each token its hash, the ids of its key and account, and in 8 bytes each,
    -- big-endian, when it was made and when it expires.
    tokens BLOB NOT NULL
);
CREATE TABLE countersign_revoked_tokens (
    token_id BLOB NOT NULL PRIMARY KEY,
    remember_until BIGINT NOT NULL
);
CREATE TABLE countersign_signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    spki BLOB NOT NULL,
    sealed BLOB,
    published_at BIGINT NOT NULL,
    activated_at BIGINT,
    retired_at BIGINT,
    gone_at BIGINT
);
CREATE TABLE countersign_secrets (
    name TEXT NOT NULL PRIMARY KEY,
    sealed BLOB NOT NULL
);
CREATE INDEX countersign_accounts_by_age ON countersign_accounts (created_at, name);
CREATE TABLE countersign_console_visits (
    hash BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    account BLOB NOT NULL REFERENCES countersign_accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    spki BLOB NOT NULL,
    began_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX countersign_console_visits_by_account
    ON countersign_console_visits (account, kind, ends_at);
CREATE INDEX countersign_console_visits_by_end ON countersign_console_visits (ends_at);
INSERT INTO countersign_migrations VALUES(1,'registry',NULL);
INSERT INTO countersign_migrations VALUES(2,'spent nonces',NULL);
INSERT INTO countersign_migrations VALUES(3,'tokens',NULL);
INSERT INTO countersign_migrations VALUES(4,'newest accounts',NULL);
INSERT INTO countersign_migrations VALUES(5,'shared nonces',NULL);
INSERT INTO countersign_migrations VALUES(6,'console visits',NULL);
INSERT INTO countersign_migrations VALUES(7,'programs beside',3);
