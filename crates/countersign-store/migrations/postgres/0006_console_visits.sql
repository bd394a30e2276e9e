-- Who may come into the console and who is in, under the SHA-256 of what they know: `kind` is
-- 'link' or 'session'.
CREATE TABLE countersign_console_visits (
    hash BYTEA NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    account BYTEA NOT NULL REFERENCES countersign_accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    spki BYTEA NOT NULL,
    began_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);
CREATE INDEX countersign_console_visits_by_account
    ON countersign_console_visits (account, kind, ends_at);
CREATE INDEX countersign_console_visits_by_end ON countersign_console_visits (ends_at);
