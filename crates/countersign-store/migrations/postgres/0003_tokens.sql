-- API keys, what they buy, and what access tokens are signed with.

ALTER TABLE countersign_accounts ADD COLUMN registered BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE countersign_accounts ADD COLUMN tokens_revoked_at BIGINT;

-- Hashes are HMAC-SHA-256 under a secret that is sealed under the encryption key.
CREATE TABLE countersign_api_keys (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id BYTEA NOT NULL UNIQUE,
    account BYTEA NOT NULL REFERENCES countersign_accounts (id) ON DELETE CASCADE,
    hash BYTEA NOT NULL UNIQUE,
    comment TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT,
    last_used_from TEXT
);

CREATE INDEX countersign_api_keys_by_account ON countersign_api_keys (account, sequence);

-- A token whose key is gone buys nothing and is deleted after it has expired. Indexes for
-- finding it by its key or by its expiry would be written at every sale.
CREATE TABLE countersign_refresh_tokens (
    hash BYTEA NOT NULL PRIMARY KEY,
    api_key BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- Batches of tokens on their way into the table above. Used by SQLite alone: here each
-- token goes into the table at once.
CREATE TABLE countersign_arrived_refresh_tokens (
    batch BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- For each token its hash, the ids of its key and account, and in 8 bytes each,
    -- big-endian, when it was made and when it expires.
    tokens BYTEA NOT NULL
);

-- Access tokens that were revoked by their id, until they have certainly expired.
CREATE TABLE countersign_revoked_tokens (
    token_id BYTEA NOT NULL PRIMARY KEY,
    remember_until BIGINT NOT NULL
);

-- `sealed` is the private half, under the encryption key.
CREATE TABLE countersign_signing_keys (
    kid TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    spki BYTEA NOT NULL,
    sealed BYTEA,
    published_at BIGINT NOT NULL,
    activated_at BIGINT,
    retired_at BIGINT,
    gone_at BIGINT
);

CREATE TABLE countersign_secrets (
    name TEXT NOT NULL PRIMARY KEY,
    sealed BYTEA NOT NULL
);
