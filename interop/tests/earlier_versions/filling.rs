//! What a server of an earlier version has written, by that version's own statements.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::{
    AccessTokenPolicy, AccountId, Algorithm, ApiKey, ApiKeyId, Clock as _, EncryptionKey, Grant,
    HashingSecret, KeyKind, PrivateKey, RefreshToken, SecretHasher, SigningKey, TokenIds, UnixTime,
};
use countersign_system::{SystemClock, SystemRandom, random_account_id};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection};

/// The statements of a version, by name.
pub(crate) struct Statements(HashMap<String, String>);

impl Statements {
    pub(crate) fn read(text: &str) -> Self {
        let named = text.split("-- ").filter_map(|one| one.split_once('\n'));
        Self(named.map(|(name, sql)| (name.to_owned(), sql.trim().to_owned())).collect())
    }
}

/// Where they are said.
pub(crate) enum Dialect<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

enum Value {
    Text(String),
    Bytes(Vec<u8>),
    Number(Option<i64>),
    Truth(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<UnixTime> for Value {
    fn from(at: UnixTime) -> Self {
        Self::Number(Some(at.as_micros()))
    }
}

fn id(id: AccountId) -> Value {
    Value::Bytes(id.0.as_bytes().to_vec())
}

const NULL: Value = Value::Number(None);

struct Writer<'a> {
    statements: &'a Statements,
    dialect: Dialect<'a>,
    at: UnixTime,
}

macro_rules! execute {
    ($sql:expr, $values:expr, $connection:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($sql));
        for value in $values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Bytes(bytes) => query.bind(bytes),
                Value::Number(number) => query.bind(number),
                Value::Truth(truth) => query.bind(truth),
            };
        }
        query.execute(&mut **$connection).await?.rows_affected()
    }};
}

impl Writer<'_> {
    async fn say<const N: usize>(&mut self, name: &str, values: [Value; N]) -> Result<()> {
        let sql = self.statements.0.get(name).with_context(|| format!("no {name}"))?.clone();
        let rows = match &mut self.dialect {
            Dialect::Sqlite(connection) => execute!(sql, values, connection),
            Dialect::Postgres(connection) => execute!(sql, values, connection),
        };
        ensure!(rows == 1, "{name} wrote {rows} rows");
        Ok(())
    }

    async fn account(&mut self, name: &str, group: Option<&str>) -> Result<AccountId> {
        let account = random_account_id(&SystemRandom);
        self.say("ACCOUNT_INSERT", [id(account), name.into(), self.at.into()]).await?;
        if let Some(group) = group {
            self.say("GROUP_INSERT", [id(account), group.into()]).await?;
        }
        Ok(account)
    }

    async fn key(&mut self, account: &str, key: &PrivateKey) -> Result<()> {
        let (public, prints) = (key.public_key(), key.public_key().fingerprints());
        let values = [
            account.into(),
            prints.openssh().as_str().into(),
            prints.jwk_thumbprint().as_str().into(),
            prints.spki_pem_sha256().as_str().into(),
            Value::Bytes(public.to_spki_der()),
            "".into(),
            self.at.into(),
            NULL,
        ];
        self.say("KEY_INSERT", values).await
    }

    async fn api_key(
        &mut self,
        account: &str,
        (key, hasher): (&ApiKey, &SecretHasher),
    ) -> Result<ApiKeyId> {
        let key_id = random_account_id(&SystemRandom);
        let hash = Value::Bytes(hasher.api_key(key).as_bytes().to_vec());
        let values = [account.into(), id(key_id), hash, "".into(), self.at.into(), NULL];
        self.say("API_KEY_INSERT", values).await?;
        Ok(ApiKeyId(key_id.0))
    }

    async fn signing_key(&mut self, key: &SigningKey, sealing: &EncryptionKey) -> Result<()> {
        let private = key.private_key.as_ref().context("a key of ours")?.to_pkcs8_der();
        let sealed = sealing.seal("signing-key", &key.kid, &private, &SystemRandom);
        let values = [
            (*key.kid).into(),
            key.algorithm.name().into(),
            Value::Bytes(key.public_key.to_spki_der()),
            Value::Bytes(sealed.as_bytes().to_vec()),
            key.published_at.into(),
            Value::Number(key.activated_at.map(UnixTime::as_micros)),
            NULL,
            NULL,
        ];
        self.say("SIGNING_KEY_INSERT", values).await
    }
}

/// A database as an earlier version left it, and what its callers hold.
pub(crate) struct Filled {
    pub(crate) encryption_key: EncryptionKey,
    pub(crate) admin: PrivateKey,
    pub(crate) robot: AccountId,
    pub(crate) good: PrivateKey,
    pub(crate) revoked: PrivateKey,
    pub(crate) api_key: ApiKey,
    pub(crate) revoked_api_key: ApiKey,
    pub(crate) access_token: String,
    pub(crate) revoked_access_token: String,
    pub(crate) refresh_tokens: Vec<RefreshToken>,
    active: Box<str>,
}

impl Filled {
    /// # Errors
    /// If the version's statements do not fit its schema.
    pub(crate) async fn by(statements: &Statements, dialect: Dialect<'_>) -> Result<Self> {
        let at = SystemClock.now();
        let is_sqlite = matches!(dialect, Dialect::Sqlite(_));
        let mut writer = Writer { statements, dialect, at };
        let instance = random_account_id(&SystemRandom).0.to_string();
        writer.say("INSTANCE_INSERT", [instance.as_str().into()]).await?;
        let [admin, good, revoked] = [(); 3].map(|()| PrivateKey::generate(KeyKind::Ed25519));
        let (admin, good, revoked) = (admin?, good?, revoked?);

        writer.account("admin", Some("admin")).await?;
        writer.key("admin", &admin).await?;
        let robot = writer.account("robot", Some("billing")).await?;
        writer.key("robot", &revoked).await?;
        // It is the second key of an empty table.
        writer.say("KEY_REVOKE", [Value::Number(Some(2)), at.into()]).await?;
        writer.key("robot", &good).await?;
        writer.account("disabled", None).await?;
        writer.key("disabled", &good).await?;
        let disable = ["disabled".into(), Value::Truth(true), at.into()];
        writer.say("ACCOUNT_SET_DISABLED", disable).await?;
        let nothing = || Value::from("null");
        let acted = [
            at.into(),
            "olga".into(),
            "127.0.0.1".into(),
            "account.disable".into(),
            "account disabled".into(),
            nothing(),
            nothing(),
        ];
        writer.say("AUDIT_INSERT", acted).await?;

        let encryption_key = EncryptionKey::generate(&SystemRandom);
        let secret = HashingSecret::generate(&SystemRandom);
        let sealed = encryption_key.seal("hashing-secret", "", secret.reveal(), &SystemRandom);
        let sealed = Value::Bytes(sealed.as_bytes().to_vec());
        writer.say("SECRET_INSERT", ["hashing-secret".into(), sealed]).await?;
        let hasher = SecretHasher::new(&secret);
        let [api_key, revoked_api_key] = [(); 2].map(|()| ApiKey::generate(&SystemRandom));
        let bought_with = writer.api_key("robot", (&api_key, &hasher)).await?;
        let gone = writer.api_key("robot", (&revoked_api_key, &hasher)).await?;
        writer.say("API_KEY_REVOKE", [Value::Bytes(gone.0.as_bytes().to_vec()), at.into()]).await?;

        let active = new_signing_key(at)?;
        let active = SigningKey { activated_at: Some(at), ..active };
        writer.signing_key(&active, &encryption_key).await?;
        writer.signing_key(&new_signing_key(at)?, &encryption_key).await?;
        let grant =
            |token_id| Grant { account: robot, identifier: robot.0, groups: [].into(), token_id };
        let ids = TokenIds::new(&secret);
        let [kept_id, revoked_id] = [(); 2].map(|()| ids.draw(bought_with, &SystemRandom));
        let until = at + std::time::Duration::from_hours(1);
        let revoke = [Value::Bytes(revoked_id.as_bytes().to_vec()), until.into()];
        writer.say("TOKEN_REVOKE", revoke).await?;

        let policy = AccessTokenPolicy::default();
        let mut filled = Self {
            encryption_key,
            admin,
            robot,
            good,
            revoked,
            api_key,
            revoked_api_key,
            access_token: policy.issue(&active, &grant(kept_id), at)?,
            revoked_access_token: policy.issue(&active, &grant(revoked_id), at)?,
            refresh_tokens: Vec::new(),
            active: active.kid,
        };
        let token = RefreshToken::generate(&SystemRandom);
        let hash = hasher.refresh_token(&token);
        let line = json!([{
            "hash": hash.to_hex(),
            "api_key": bought_with.0.simple().to_string(),
            "created_at": at.as_micros(),
            "expires_at": until.as_micros(),
        }]);
        writer.say("REFRESH_TOKENS_INSERT", [line.to_string().as_str().into()]).await?;
        filled.refresh_tokens.push(token);
        if is_sqlite {
            // There most wait in batches until they are sorted in.
            let token = RefreshToken::generate(&SystemRandom);
            let hash = hasher.refresh_token(&token);
            let (from, until) = (at.as_micros().to_be_bytes(), until.as_micros().to_be_bytes());
            let parts: [&[u8]; 5] =
                [hash.as_bytes(), bought_with.0.as_bytes(), robot.0.as_bytes(), &from, &until];
            writer.say("ARRIVED_REFRESH_TOKENS_INSERT", [Value::Bytes(parts.concat())]).await?;
            filled.refresh_tokens.push(token);
        }
        Ok(filled)
    }

    /// Whether a token was signed by the key that signed then.
    pub(crate) fn signed_by_the_active_key(&self, token: &str) -> bool {
        let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let header: Option<serde_json::Value> =
            header.and_then(|header| serde_json::from_slice(&header).ok());
        header.is_some_and(|header| header["kid"] == *self.active)
    }
}

fn new_signing_key(at: UnixTime) -> Result<SigningKey> {
    Ok(SigningKey::new(PrivateKey::generate(KeyKind::P256)?, Algorithm::Es256, at))
}
