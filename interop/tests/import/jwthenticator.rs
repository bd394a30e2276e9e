//! jwthenticator's keys and refresh tokens.

use std::fs;

use anyhow::Result;
use countersign_testbed::fresh_database;
use interop::{Countersign, Jwthenticator, KeyFiles, KeyFormat, Session, Step};
use serde_json::json;

use super::{change, imported_acts, sqlite_url};

const CALLERS: [(&str, &str); 2] = [
    ("5d8f6a3a-2e5b-4c0e-9a53-6a7b9d0c1e2f", "a key of a caller"),
    ("0b0c1a44-7d0e-4bb4-8f2f-3d6c5b1b9a10", "a key of another"),
];
/// So that a key can be renewed where the clients are.
const OPEN: &[&str] = &["--registration", "public"];

/// What a client holds after it has registered and authenticated.
fn begin(original: &Jwthenticator) -> Result<Vec<Session>> {
    let begin = |(identifier, key): &(&str, &str)| {
        let session = Session::with_key(original.url(), identifier, key);
        let outcomes = session.run(&[Step::RegisterKey((*key).to_owned()), Step::Authenticate])?;
        outcomes[0].value()?;
        outcomes[1].value()?;
        Ok(Session { refresh_token: outcomes[1].refresh_token.clone(), ..session })
    };
    CALLERS.iter().map(begin).collect()
}

/// The same clients, pointed at another server.
fn moved(sessions: &[Session], server: &Countersign) -> Vec<Session> {
    let (public, internal) = (server.url().to_owned(), server.url().to_owned());
    let moved = |session: &Session| Session {
        public: public.clone(),
        internal: internal.clone(),
        ..session.clone()
    };
    sessions.iter().map(moved).collect()
}

/// With the key alone, with the refresh token alone, and by renewing.
fn assert_carries_on(session: &Session) -> Result<()> {
    let refresh = Step::Refresh { auth_on_fail: false };
    let by_key = Session { refresh_token: None, ..session.clone() };
    let by_token = Session { key: None, ..session.clone() };
    let steps = [Step::Authenticate, Step::Validate, refresh.clone(), Step::Validate];
    for outcome in by_key.run(&steps)?.iter().chain(&by_token.run(&[refresh, Step::Validate])?) {
        outcome.value()?;
    }
    let key = session.key.clone().unwrap_or_default();
    let renewed = session.run(&[Step::RegisterKey(key.clone()), Step::IsKeyRegistered(key)])?;
    renewed[0].value()?;
    assert_eq!(renewed[1].value()?, true);
    Ok(())
}

/// An installation of ours, as options.
#[derive(Clone, Copy, Debug, Default)]
struct Ours {
    /// Where its database is.
    options: &'static [&'static str],
    /// Who administrates it.
    first_start: &'static [&'static str],
    /// How to administrate it.
    operator: &'static [&'static str],
}

/// Side by side, from one original to one of ours: dry run, import, import again.
async fn assert_clients_carry_on(
    original: &Jwthenticator,
    from: &str,
    Ours { options, first_start, operator }: Ours,
) -> Result<()> {
    let sessions = begin(original)?;
    let serve: &'static [&'static str] = [options, first_start, OPEN].concat().leak();
    let mut server = Countersign::start_with(serve).await?;
    for session in moved(&sessions, &server) {
        let refused = &session.run(&[Step::Authenticate])?[0];
        assert_eq!(refused.error.as_deref(), Some("AuthenticationError"), "before the import");
    }
    server.kill()?;

    let dry = server.import("jwthenticator", from, &[options, &["--dry-run"]].concat())?;
    let real = server.import("jwthenticator", from, options)?;
    let again = server.import("jwthenticator", from, options)?;
    let counts = |imported, there| {
        json!({
            "imported": imported, "already_there": there, "expired": 0, "left_out": 0
        })
    };
    for (report, dry_run, counts) in
        [(dry, true, counts(2, 0)), (real, false, counts(2, 0)), (again, false, counts(0, 2))]
    {
        assert_eq!(report.code, Some(0), "{report:?}");
        assert_eq!(report.summary["dry_run"], dry_run);
        assert_eq!(report.summary["tables"], json!({"keys": counts, "refresh_tokens": counts}));
        assert_eq!(report.rows.len(), 4);
        let accounts: Vec<_> = report.rows[..2].iter().map(|row| &row["account"]).collect();
        assert_eq!(accounts, [CALLERS[0].0, CALLERS[1].0]);
        for secret in sessions.iter().flat_map(|session| [&session.key, &session.refresh_token]) {
            let secret = secret.as_deref().unwrap_or_default();
            assert!(!secret.is_empty() && !report.printed.contains(secret));
        }
    }

    let told = server.run(&[&["import", "jwthenticator", "--from", from], options].concat())?;
    let expected = format!(
        "{:<46}  already there  {}\n",
        "keys                                   1", CALLERS[0].0
    );
    assert!(told.starts_with("TABLE ") && told.contains(&expected), "{told}");
    assert!(
        told.ends_with("refresh_tokens: 0 imported, 2 already there, 0 expired, 0 left out\n"),
        "{told}"
    );

    server.restart().await?;
    for (action, times) in
        [("account.import", 2), ("api-key.import", 2), ("refresh-token.import", 1)]
    {
        assert_eq!(imported_acts(&server, action, operator)?, times, "{action}");
    }
    for session in moved(&sessions, &server) {
        assert_carries_on(&session)?;
        let other_key = Session { key: Some("some other key".into()), ..session };
        let refused = &other_key.run(&[Step::Authenticate])?[0];
        assert_eq!(refused.error.as_deref(), Some("AuthenticationError"));
    }
    Ok(())
}

#[tokio::test]
async fn clients_carry_on_from_sqlite() -> Result<()> {
    let original = Jwthenticator::on_sqlite(&[]).await?;
    let file = original.sqlite_file();
    assert_clients_carry_on(&original, &sqlite_url(&file), Ours::default()).await?;
    // It was read while the original ran, and nothing was left beside it.
    let beside = fs::read_dir(file.parent().unwrap_or(&file))?;
    let mut names: Vec<_> =
        beside.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    names.sort();
    assert_eq!(names, ["jwthenticator.db", "private.pem", "public.pem", "serve.log"]);
    Ok(())
}

#[tokio::test]
async fn clients_carry_on_from_postgres_to_postgres() -> Result<()> {
    let (theirs, ours) = (fresh_database().await?, fresh_database().await?);
    let original = Jwthenticator::on_postgres(theirs.url(), &[]).await?;
    // There, no start makes an administrator by itself.
    let admin = KeyFiles::make(KeyFormat::ALL[0])?;
    let public = fs::read_to_string(admin.public_key())?;
    let first_start: &'static str = format!("--bootstrap-admin-public-key={public}").leak();
    let private: &'static str = admin.private_key().display().to_string().leak();
    let url: &'static str = ours.url().to_owned().leak();
    let ours = Ours {
        options: vec!["--database-url", url].leak(),
        first_start: vec![first_start].leak(),
        operator: vec!["--identity", private].leak(),
    };
    // As its own settings write it.
    let from = theirs.url().replace("postgres://", "postgresql+asyncpg://");
    assert_clients_carry_on(&original, &from, ours).await
}

#[tokio::test]
async fn rows_that_cannot_be_imported_are_told_and_stop_nothing() -> Result<()> {
    let original = Jwthenticator::on_sqlite(&[]).await?;
    let sessions = begin(&original)?;
    let (file, later) = (original.sqlite_file(), "'2099-01-01 00:00:00.000000'");
    let operators = "11111111-2222-4333-8444-555555555555";
    let (hash, token) = ("ab".repeat(64), "cd".repeat(64));
    let key = |id, hash: &str, identifier: &str, expiry: &str| {
        format!("INSERT INTO keys VALUES ({id}, {hash}, '{identifier}', NULL, {expiry})")
    };
    let refresh = |id, token: &str, key: &str, expiry: &str| {
        format!("INSERT INTO refresh_tokens VALUES ({id}, '{token}', {key}, NULL, {expiry})")
    };
    let statements = [
        "ALTER TABLE keys RENAME TO old; CREATE TABLE keys (id INTEGER PRIMARY KEY, key_hash, \
         identifier, created, expires_at); INSERT INTO keys SELECT id, key_hash, identifier, \
         created, expires_at FROM old; DROP TABLE old; ALTER TABLE refresh_tokens RENAME TO old; \
         CREATE TABLE refresh_tokens (id INTEGER PRIMARY KEY, token, key_id, created, expires_at); \
         INSERT INTO refresh_tokens SELECT id, token, key_id, created, expires_at FROM old; \
         DROP TABLE old"
            .to_owned(),
        key(11, "'tooshort'", CALLERS[0].0, later),
        key(12, "NULL", CALLERS[0].0, later),
        key(13, &format!("'{hash}'"), "nobody", later),
        key(14, &format!("'{hash}'"), CALLERS[0].0, "'soon'"),
        key(15, &format!("'{hash}'"), operators, later),
        key(16, &format!("'{}'", "ef".repeat(64)), CALLERS[0].0, "NULL"),
        refresh(21, &token, "NULL", later),
        refresh(22, &token, "99", later),
        refresh(23, &token, "15", later),
        refresh(24, &token.to_uppercase(), "16", later),
        refresh(25, &token, "16", "'2001-01-01 00:00:00'"),
        refresh(26, &token, "16", "NULL"),
    ];
    change(&file, &statements.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let before = fs::read(&file)?;

    let mut server = Countersign::start_with(OPEN).await?;
    server.run(&["account", "create", operators, "--id", operators])?;
    server.kill()?;
    let report = server.import("jwthenticator", &sqlite_url(&file), &[])?;
    assert_eq!(report.code, Some(1), "{report:?}");
    assert_eq!(fs::read(&file)?, before, "the source is as it was");
    let hash_rule =
        "its key_hash is none: a stored hash has the 128 hexadecimal digits of a SHA-512";
    assert_eq!(
        report.of("keys"),
        [
            (1, "imported", ""),
            (2, "imported", ""),
            (11, "left_out", hash_rule),
            (12, "left_out", "its key_hash is NULL"),
            (13, "left_out", "its identifier is no UUID"),
            (14, "left_out", "its expires_at is no date with a time"),
            (15, "left_out", "the account here was made by an operator, or has groups"),
            (16, "imported", ""),
        ]
    );
    assert_eq!(
        report.of("refresh_tokens"),
        [
            (1, "imported", ""),
            (2, "imported", ""),
            (21, "left_out", "it belongs to no key: its key_id is NULL"),
            (22, "left_out", "it belongs to the key 99, which is not there"),
            (23, "left_out", "its key 15 was left out"),
            (24, "left_out", "its token is not 128 lower-case hexadecimal digits"),
            (25, "expired", ""),
            (26, "imported", ""),
        ]
    );
    assert!(!report.printed.contains(&hash) && !report.printed.contains(&token));

    server.restart().await?;
    for session in moved(&sessions, &server) {
        assert_carries_on(&session)?;
    }
    let endless = Session {
        key: None,
        refresh_token: Some(token),
        ..Session::with_key(server.url(), CALLERS[0].0, "")
    };
    endless.run(&[Step::Refresh { auth_on_fail: false }])?[0].value()?;
    Ok(())
}
