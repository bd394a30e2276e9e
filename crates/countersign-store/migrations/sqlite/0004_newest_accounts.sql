-- For the list of accounts, the newest first, a page at a time.

CREATE INDEX countersign_accounts_by_age ON countersign_accounts (created_at, name);
