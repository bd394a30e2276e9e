-- Batches of spent nonces, appended and deleted in stretches (see replay/durable.rs).
-- All instants are microseconds since the Unix epoch.
CREATE TABLE countersign_spent_nonces (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The earliest and the latest time of a token in the batch; the latter decides
    -- when it is deleted.
    oldest_time BIGINT NOT NULL,
    newest_time BIGINT NOT NULL,
    -- Up to when the batch must be remembered.
    expires_at BIGINT NOT NULL,
    -- Tokens with an earlier time are refused, remembered or not.
    refused_before BIGINT NOT NULL,
    -- For each use its 16-byte key and its token's time in 8 bytes, big-endian.
    entries BYTEA NOT NULL
);

-- Covers all that is asked of batches as a whole, so that their entries, of which
-- there may be hundreds of megabytes, are read only to be remembered.
CREATE INDEX countersign_spent_nonces_by_time
    ON countersign_spent_nonces (newest_time, oldest_time, expires_at, refused_before);
