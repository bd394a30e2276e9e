//! Django's users with the keys and URLs of `asymmetric_jwt_auth`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use countersign_testbed::fresh_database;
use interop::{Countersign, Django, KeyFiles, KeyFormat, Original, Signed, capture, tool};
use sqlx::{Connection as _, PgConnection, Row as _, SqliteConnection};

use super::{change, imported_acts, sqlite_url};

const PROGRAM: &str = "asymmetric-jwt-auth";
const USERS: &str = "auth_user";
const KEYS: &str = "asymmetric_jwt_auth_publickey";
const TRUSTS: &str = "asymmetric_jwt_auth_jwksendpointtrust";

/// A Django with one user for each format of keys, and what signs for them.
struct Populated {
    django: Django,
    callers: Vec<(&'static str, KeyFiles)>,
}

impl Populated {
    fn new() -> Result<Self> {
        let django = Django::new()?;
        let mut callers = Vec::new();
        for format in KeyFormat::ALL.into_iter().filter(|format| !format.encrypted) {
            let key = KeyFiles::make(format)?;
            django.trust(format.name, &[&key.public_key()])?;
            callers.push((format.name, key));
        }
        Ok(Self { django, callers })
    }

    fn database(&self) -> PathBuf {
        self.django.database()
    }

    /// What the callers' own packages sign.
    fn signed(&self) -> Result<Vec<(&'static str, Signed)>> {
        let mut signed = Vec::new();
        for (name, key) in &self.callers {
            for original in Original::ALL {
                signed.push((*name, original.sign(name, &key.for_python("file"))?));
            }
        }
        Ok(signed)
    }

    async fn assert_accepted(&self, server: &Countersign) -> Result<()> {
        for (name, signed) in self.signed()? {
            let accepted = server.asks(&signed.authorization).await?;
            assert_eq!(accepted, (200, name.to_owned()));
        }
        Ok(())
    }
}

/// The public half of a key file, in OpenSSH's form with a comment.
fn openssh(key: &KeyFiles) -> Result<String> {
    let mut convert = Command::new(tool("COUNTERSIGN_TEST_SSH_KEYGEN")?);
    let line = capture(convert.args(["-i", "-m", "PKCS8", "-f"]).arg(key.public_key()))?;
    Ok(format!("{} a caller of old", line.trim()))
}

#[tokio::test]
async fn callers_carry_on_from_django() -> Result<()> {
    let populated = Populated::new()?;
    let mut server = Countersign::start().await?;
    for (_, signed) in populated.signed()? {
        assert_eq!(server.asks(&signed.authorization).await?.0, 401, "before the import");
    }
    server.kill()?;
    let from = sqlite_url(&populated.database());
    let users = populated.callers.len();
    for (options, outcome) in
        [(&["--dry-run"][..], "imported"), (&[], "imported"), (&[], "already_there")]
    {
        let before = fs::read(populated.database())?;
        let report = server.import(PROGRAM, &from, options)?;
        assert_eq!(report.code, Some(0), "{report:?}");
        assert_eq!(fs::read(populated.database())?, before, "the source is as it was");
        for table in [USERS, KEYS] {
            assert_eq!(report.summary["tables"][table][outcome], users, "{table}");
        }
        assert_eq!(report.rows.len(), 2 * users);
    }
    server.restart().await?;
    for action in ["account.import", "key.import"] {
        assert_eq!(imported_acts(&server, action, &[])?, users, "{action}");
    }
    populated.assert_accepted(&server).await
}

#[tokio::test]
async fn what_cannot_be_imported_is_told_and_stops_nothing() -> Result<()> {
    let populated = Populated::new()?;
    let [retired, renamed] =
        [KeyFiles::make(KeyFormat::ALL[0])?, KeyFiles::make(KeyFormat::ALL[0])?];
    populated.django.trust("retired", &[&retired.public_key()])?;
    let line = openssh(&renamed)?;
    let user = |id, name: &str| {
        format!(
            "INSERT INTO auth_user (id, username, is_active, password, is_superuser, first_name, \
             last_name, email, is_staff, date_joined) \
             VALUES ({id}, '{name}', 1, '', 0, '', '', '', 0, '2020-01-01')"
        )
    };
    let key = |id, user, key: &str, comment: &str| {
        format!(
            "INSERT INTO {KEYS} (id, user_id, key, comment) VALUES ({id}, {user}, '{key}', '{comment}')"
        )
    };
    let trust = |id, user, url: &str| {
        format!("INSERT INTO {TRUSTS} (id, user_id, jwks_url) VALUES ({id}, {user}, '{url}')")
    };
    let mut weak = Command::new(tool("COUNTERSIGN_TEST_OPENSSL")?);
    let weak =
        capture(weak.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]))?;
    let mut public = Command::new(tool("COUNTERSIGN_TEST_OPENSSL")?);
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("weak"), weak)?;
    let weak = capture(public.args(["pkey", "-pubout", "-in"]).arg(directory.path().join("weak")))?;
    let statements = [
        "UPDATE auth_user SET is_active = 0 WHERE username = 'retired'".to_owned(),
        user(11, "nobody"),
        user(12, " padded"),
        user(13, "mixed"),
        user(14, "admin"),
        key(21, 12, &line, ""),
        key(22, 13, &line, ""),
        key(23, 13, "ssh-rsa nonsense", ""),
        key(24, 13, &weak, ""),
        key(25, 14, &line, ""),
        key(26, 99, &line, ""),
        trust(31, 13, "http://keys.example/jwks.json"),
        trust(32, 11, "https://keys.example/jwks.json"),
        user(15, "without"),
    ];
    let file = populated.database();
    change(&file, &statements.iter().map(String::as_str).collect::<Vec<_>>()).await?;

    let mut server = Countersign::start().await?;
    server.kill()?;
    let report = server.import(PROGRAM, &sqlite_url(&file), &[])?;
    assert_eq!(report.code, Some(1), "{report:?}");
    assert_eq!(report.summary["users_without_credentials"], 1);
    let told: Vec<_> = [USERS, KEYS, TRUSTS]
        .into_iter()
        .flat_map(|table| report.of(table))
        .filter(|(row, ..)| *row > 10)
        .map(|(row, outcome, reason)| {
            (row, outcome, reason.split([':', ';']).next().unwrap_or_default())
        })
        .collect();
    assert_eq!(
        told,
        [
            (11, "imported", ""),
            (12, "left_out", "its username \" padded\" cannot be an account's"),
            (13, "imported", ""),
            (14, "already_there", ""),
            (21, "left_out", "its user 12 was left out"),
            (22, "imported", ""),
            (
                23,
                "left_out",
                "found an OpenSSH public key that is damaged (the key ends too early or has a malformed number)"
            ),
            (24, "left_out", "found a PEM public key that cannot be used"),
            (25, "left_out", "the account has groups here, so only an operator may give it keys"),
            (26, "left_out", "its user is not there"),
            (32, "imported", ""),
            (31, "left_out", "plain http would let anyone on the way replace the keys"),
        ]
    );

    server.restart().await?;
    populated.assert_accepted(&server).await?;
    let signed = Original::V1_3.sign("retired", &retired.for_python("file"))?;
    assert_eq!(server.asks(&signed.authorization).await?.0, 401, "it is disabled");
    for (name, status) in [("mixed", 200), ("admin", 401)] {
        let signed = Original::V1_3.sign(name, &renamed.for_python("file"))?;
        assert_eq!(server.asks(&signed.authorization).await?.0, status, "{name}");
    }
    let keys = server.run(&["key", "list", "mixed"])?;
    assert!(keys.contains("a caller of old"), "{keys}");
    let urls = server.run(&["jwks", "list", "nobody"])?;
    assert!(urls.contains("https://keys.example/jwks.json"), "{urls}");
    Ok(())
}

#[tokio::test]
async fn the_tables_of_the_first_releases_are_read() -> Result<()> {
    let populated = Populated::new()?;
    let drop_trusts = format!("DROP TABLE {TRUSTS}");
    let drop_comment = format!("ALTER TABLE {KEYS} DROP COLUMN comment");
    change(&populated.database(), &[&drop_trusts, &drop_comment]).await?;
    let mut server = Countersign::start().await?;
    server.kill()?;
    let report = server.import(PROGRAM, &sqlite_url(&populated.database()), &[])?;
    assert_eq!(report.code, Some(0), "{report:?}");
    server.restart().await?;
    populated.assert_accepted(&server).await
}

/// The tables as Django makes them on PostgreSQL, with the rows that it wrote into its
/// SQLite file: the driver that it would need is not among the packages of these tests.
async fn copy_to_postgres(file: &std::path::Path, url: &str) -> Result<()> {
    let mut to = PgConnection::connect(url).await?;
    sqlx::raw_sql(
        "CREATE TABLE auth_user (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, \
           username varchar(150) NOT NULL UNIQUE, is_active boolean NOT NULL); \
         CREATE TABLE asymmetric_jwt_auth_publickey \
           (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, key text NOT NULL, \
            user_id integer NOT NULL REFERENCES auth_user, comment varchar(100) NOT NULL, \
            last_used_on timestamptz); \
         CREATE TABLE asymmetric_jwt_auth_jwksendpointtrust \
           (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, jwks_url varchar(200) NOT NULL, \
            user_id integer NOT NULL UNIQUE REFERENCES auth_user, last_used_on timestamptz)",
    )
    .execute(&mut to)
    .await?;
    let mut from = SqliteConnection::connect(&sqlite_url(file)).await?;
    let users = sqlx::query("SELECT id, username, is_active FROM auth_user");
    for row in users.fetch_all(&mut from).await? {
        sqlx::query("INSERT INTO auth_user VALUES ($1, $2, $3)")
            .bind(row.try_get::<i32, _>(0)?)
            .bind(row.try_get::<String, _>(1)?)
            .bind(row.try_get::<bool, _>(2)?)
            .execute(&mut to)
            .await?;
    }
    let keys = sqlx::query("SELECT id, key, user_id, comment FROM asymmetric_jwt_auth_publickey");
    for row in keys.fetch_all(&mut from).await? {
        sqlx::query("INSERT INTO asymmetric_jwt_auth_publickey VALUES ($1, $2, $3, $4, NULL)")
            .bind(row.try_get::<i32, _>(0)?)
            .bind(row.try_get::<String, _>(1)?)
            .bind(row.try_get::<i32, _>(2)?)
            .bind(row.try_get::<String, _>(3)?)
            .execute(&mut to)
            .await?;
    }
    let trust = "INSERT INTO asymmetric_jwt_auth_jwksendpointtrust \
        SELECT 1, 'https://keys.example/', id, NULL FROM auth_user ORDER BY id LIMIT 1";
    sqlx::raw_sql(trust).execute(&mut to).await?;
    Ok(())
}

#[tokio::test]
async fn callers_carry_on_from_postgres() -> Result<()> {
    let populated = Populated::new()?;
    let database = fresh_database().await?;
    copy_to_postgres(&populated.database(), database.url()).await?;
    let mut server = Countersign::start().await?;
    server.kill()?;
    let report = server.import(PROGRAM, database.url(), &[])?;
    assert_eq!(report.code, Some(0), "{report:?}");
    assert_eq!(report.of(TRUSTS), [(1, "imported", "")]);
    server.restart().await?;
    populated.assert_accepted(&server).await
}
