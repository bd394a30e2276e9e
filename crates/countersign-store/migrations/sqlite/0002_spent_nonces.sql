-- Batches of spent nonces, appended and deleted in stretches (see replay/durable.rs).
-- All instants are microseconds since the Unix epoch.
CREATE TABLE countersign_spent_nonces (
    id INTEGER NOT NULL PRIMARY KEY,
    -- The latest time of a token in the batch: what decides when it is deleted.
    newest_time BIGINT NOT NULL,
    -- Up to when the batch must be remembered.
    expires_at BIGINT NOT NULL,
    -- Tokens with an earlier time are refused, remembered or not.
    refused_before BIGINT NOT NULL,
    -- For each use its 16-byte key and its token's time in 8 bytes, big-endian.
    entries BLOB NOT NULL
);

CREATE INDEX countersign_spent_nonces_by_time ON countersign_spent_nonces (newest_time);
