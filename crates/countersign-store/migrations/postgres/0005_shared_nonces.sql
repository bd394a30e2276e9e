-- Spent nonces that several servers share (see replay/postgres.rs). All instants and spans
-- are microseconds.

-- Since when every use is remembered: one row.
CREATE TABLE countersign_nonce_epoch (
    sole BOOLEAN PRIMARY KEY CHECK (sole),
    -- Counts up with every change of the others.
    number BIGINT NOT NULL,
    -- Which cluster this is, and how often it has failed over.
    identity TEXT NOT NULL,
    since BIGINT NOT NULL,
    -- The widest tolerance of any server; it decides how wide buckets are.
    tolerance BIGINT NOT NULL
);

-- What the buckets below hold: uses of one epoch by tokens of times from `starts_at` on.
CREATE TABLE countersign_nonce_buckets (
    bucket SMALLINT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    starts_at BIGINT NOT NULL
);

-- Each is emptied as a whole when its turn comes again.
CREATE TABLE countersign_nonces_0 (key BYTEA PRIMARY KEY, attempt BYTEA NOT NULL);
CREATE TABLE countersign_nonces_1 (key BYTEA PRIMARY KEY, attempt BYTEA NOT NULL);
CREATE TABLE countersign_nonces_2 (key BYTEA PRIMARY KEY, attempt BYTEA NOT NULL);
CREATE TABLE countersign_nonces_3 (key BYTEA PRIMARY KEY, attempt BYTEA NOT NULL);
CREATE TABLE countersign_nonces_4 (key BYTEA PRIMARY KEY, attempt BYTEA NOT NULL);
CREATE TABLE countersign_nonces_5 (key BYTEA PRIMARY KEY, attempt BYTEA NOT NULL);
CREATE TABLE countersign_nonces_6 (key BYTEA PRIMARY KEY, attempt BYTEA NOT NULL);
CREATE TABLE countersign_nonces_7 (key BYTEA PRIMARY KEY, attempt BYTEA NOT NULL);
