-- Accounts, their credentials, the audit trail and the id of this installation.
-- Instants are microseconds since the epoch; ids are the 16 bytes of a UUID. Names are
-- in the order of their bytes, as in SQLite.

CREATE TABLE countersign_instance (
    singleton BIGINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    id TEXT NOT NULL
);

CREATE TABLE countersign_accounts (
    id BYTEA NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    last_used_from TEXT
);

CREATE TABLE countersign_account_groups (
    account BYTEA NOT NULL REFERENCES countersign_accounts (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account, name)
);

CREATE INDEX countersign_account_groups_by_name ON countersign_account_groups (name);

-- The three fingerprints are the texts by which a key is called: RFC 7638,
-- SHA-256 of the SPKI PEM in hex, and OpenSSH's.
CREATE TABLE countersign_public_keys (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account BYTEA NOT NULL REFERENCES countersign_accounts (id) ON DELETE CASCADE,
    openssh TEXT NOT NULL,
    thumbprint TEXT NOT NULL,
    spki_pem_sha256 TEXT NOT NULL,
    spki BYTEA NOT NULL,
    comment TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT,
    last_used_from TEXT,
    UNIQUE (account, openssh)
);

-- Foreign keys have no index of their own here: a UNIQUE that begins with the account
-- serves as one.
CREATE TABLE countersign_jwks_endpoints (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account BYTEA NOT NULL REFERENCES countersign_accounts (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (account, url)
);

CREATE TABLE countersign_audit (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    state_before TEXT NOT NULL,
    state_after TEXT NOT NULL
);

-- The keys by which someone can administrate, if they are not expired: the
-- statements that could take the last one away look here.
CREATE VIEW countersign_admin_keys AS
SELECT k.sequence AS sequence, k.account AS account, k.expires_at AS expires_at
FROM countersign_account_groups AS g
JOIN countersign_accounts AS a ON a.id = g.account
JOIN countersign_public_keys AS k ON k.account = a.id
WHERE g.name = 'admin' AND a.disabled = FALSE AND k.revoked_at IS NULL;
