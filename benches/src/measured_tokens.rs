//! The measured server of the key-to-token service: an empty handler, perhaps with one
//! bare signature or one bare check, on one address, Countersign's public router on
//! another, in one process.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::rand::SystemRandom as ProviderRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use axum::routing::any;
use axum::{Router, ServiceExt as _};
use countersign_core::ports::{
    Act, AdminStore as _, ApiKeyStore as _, NewAccount, RefreshTokenRecord, RefreshTokenStore as _,
};
use countersign_core::{
    AccessTokenPolicy, AccountId, Algorithm, ApiKey, ApiKeyId, EncryptionKey, Grant, PrivateKey,
    SecretHash, SigningKey,
};
use countersign_server::layers::{Layers, Limits};
use countersign_server::{
    LiveKeyRing, Ports, PublicService, RequestContexts, RingSettings, Service, Settings,
    TokenPorts, TokenService, TokenSettings, TrustedProxies,
};
use countersign_store::replay::{ReplayLimits, ReplayWheel};
use countersign_store::{
    Database, Durability, LiveDirectory, MemoryStore, PostgresLimits, PostgresServer, PostgresUrl,
    SqlRefreshTokens, SqlStore, SqliteFile,
};
use countersign_system::SystemRandom;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bare::BareCheck;
use crate::clock::{NOW, Stopped};
use crate::measured::{announce, listen, note_arrivals};
use crate::tokens::{Counter, account, ed25519};

/// How many accounts there are, each with one API key.
pub const ACCOUNTS: usize = 1000;
/// What is asked for, of the empty handler too.
const PATHS: [&str; 3] = ["/validate_request", "/authenticate", "/refresh"];
/// The number of the signing key among the derived ones.
const SIGNING_KEY: usize = usize::MAX;
/// The SQLite database in the data directory.
const SQLITE_FILE: &str = "countersign.db";
/// What was written to it last.
const SQLITE_LOG: &str = "countersign.db-wal";
/// How many refresh tokens are prepared at the same time.
const PREPARED_AT_ONCE: usize = 2048;

/// What the empty handler does besides answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bare {
    /// Nothing.
    Nothing,
    /// One bare signature check.
    Verify,
    /// One bare signature.
    Sign,
}

/// What the measured server is given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenSetup {
    /// What the empty handler does.
    pub bare: Bare,
    /// Whether tokens are signed with `RS256` instead of `EdDSA`.
    pub rsa: bool,
    /// The PostgreSQL database to use; else a SQLite file.
    pub postgres: Option<String>,
    /// How many refresh tokens are stored beforehand.
    pub refresh_tokens: usize,
    /// The data directory of a server that has stopped, to begin with what it had on SQLite.
    pub copy_of: Option<PathBuf>,
    /// How many workers it has.
    pub workers: usize,
}

impl TokenSetup {
    /// The arguments that make this program start as the measured server.
    ///
    /// # Errors
    /// If the directory for its data cannot be written.
    pub fn to_arguments(&self, directory: &std::path::Path) -> anyhow::Result<[String; 2]> {
        let data = tempfile::tempdir_in(directory)?.keep();
        let file = data.join("setup.json");
        std::fs::write(&file, serde_json::to_vec(self)?)?;
        Ok(["--measured-tokens".to_owned(), file.to_str().context("a printable path")?.to_owned()])
    }

    /// Reads the arguments back, with the directory for the data; `None` if this is not
    /// the measured server.
    ///
    /// # Errors
    /// If the file does not hold what [`to_arguments`](Self::to_arguments) wrote.
    pub fn from_arguments(
        mut arguments: impl Iterator<Item = String>,
    ) -> anyhow::Result<Option<(Self, PathBuf)>> {
        if arguments.next().as_deref() != Some("--measured-tokens") {
            return Ok(None);
        }
        let file = PathBuf::from(arguments.next().context("a file")?);
        let setup = serde_json::from_slice(&std::fs::read(&file)?)?;
        Ok(Some((setup, file.parent().context("a directory")?.to_owned())))
    }
}

/// The API key of account number `index`.
///
/// # Panics
/// Never: it is neither empty nor long.
pub fn api_key(index: usize) -> ApiKey {
    ApiKey::new(&format!("key of device {index:07}")).expect("a key")
}

/// The id of account number `index`, which it also claims.
pub fn identifier(index: usize) -> Uuid {
    Uuid::from_u128(index as u128 + 1)
}

/// An access token of account number `index`, signed as the measured server does.
///
/// # Panics
/// Never: the key signs.
pub fn access_token(index: usize, number: u128) -> String {
    let grant = Grant {
        account: AccountId(identifier(index)),
        identifier: identifier(index),
        groups: [].into(),
        token_id: Uuid::from_u128(number),
    };
    AccessTokenPolicy::default().issue(&signing_key(false), &grant, NOW).expect("it signs")
}

fn signing_key(rsa: bool) -> SigningKey {
    let (key, algorithm) = if rsa {
        (crate::tokens::rsa(), Algorithm::Rs256)
    } else {
        (ed25519(SIGNING_KEY), Algorithm::EdDsa)
    };
    SigningKey { activated_at: Some(NOW), ..SigningKey::new(key, algorithm, NOW) }
}

/// Serves until it is killed.
///
/// # Errors
/// If something cannot be set up.
pub fn serve((setup, data): (TokenSetup, PathBuf)) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(setup.workers)
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let key = signing_key(setup.rsa);
        let bare = bare_router(setup.bare, &key)?;
        let ours = countersign(&setup, &data, key).await?;
        let (first, second) = (listen().await?, listen().await?);
        announce(&first)?;
        announce(&second)?;
        let bare = tokio::spawn(async move { axum::serve(first, bare).await });
        axum::serve(second, ours.into_make_service()).await?;
        bare.await??;
        Ok(())
    })
}

/// Serves our part alone, and tells on a second address when requests came.
///
/// # Errors
/// If something cannot be set up.
pub fn serve_noting((setup, data): (TokenSetup, PathBuf)) -> anyhow::Result<()> {
    let key = signing_key(setup.rsa);
    note_arrivals(async move { countersign(&setup, &data, key).await })
}

/// The provider's own key pair.
enum Signer {
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>, ProviderRandom),
}

impl Signer {
    #[expect(clippy::disallowed_methods, reason = "the provider asks for it and does not use it")]
    fn new(key: &PrivateKey, rsa: bool) -> anyhow::Result<Self> {
        let pkcs8 = key.to_pkcs8_der();
        Ok(if rsa {
            Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(&pkcs8)?), ProviderRandom::new())
        } else {
            Self::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8)?)
        })
    }

    fn sign(&self, message: &[u8]) -> usize {
        match self {
            Self::Ed25519(key) => key.sign(message).as_ref().len(),
            Self::Rsa(key, random) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let signed = key.sign(&RSA_PKCS1_SHA256, random, message, &mut signature);
                signed.map_or(0, |()| signature.len())
            }
        }
    }
}

fn bare_router(bare: Bare, key: &SigningKey) -> anyhow::Result<Router> {
    let sample = access_token(0, 0);
    let (input, signature) = sample.rsplit_once('.').context("a signature")?;
    let signature: Arc<[u8]> = {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature)?.into()
    };
    let input: Arc<str> = input.into();
    let check = Arc::new(BareCheck::new(ed25519(SIGNING_KEY).public_key()));
    let private = key.private_key.as_ref().context("a private key")?;
    let signer = Arc::new(Signer::new(private, key.algorithm == Algorithm::Rs256)?);
    let handler = move || {
        let (check, signer) = (Arc::clone(&check), Arc::clone(&signer));
        let (input, signature) = (Arc::clone(&input), Arc::clone(&signature));
        async move {
            let done = match bare {
                Bare::Nothing => true,
                Bare::Verify => check.verify(input.as_bytes(), &signature),
                Bare::Sign => signer.sign(input.as_bytes()) > 0,
            };
            if done { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
        }
    };
    let layers = Layers::new(
        Arc::new(RequestContexts::new(TrustedProxies::default(), &SystemRandom)),
        Limits::PUBLIC,
        |_| axum::response::IntoResponse::into_response(StatusCode::SERVICE_UNAVAILABLE),
    );
    let router =
        PATHS.iter().fold(Router::new(), |router, path| router.route(path, any(handler.clone())));
    Ok(layers.observe(layers.limit(router)))
}

async fn countersign(
    setup: &TokenSetup,
    data: &std::path::Path,
    key: SigningKey,
) -> anyhow::Result<PublicService> {
    let database: Database = if let Some(url) = &setup.postgres {
        PostgresServer::open(&PostgresUrl::parse(url)?, PostgresLimits::default()).await?.into()
    } else {
        let file = data.join(SQLITE_FILE);
        if let Some(original) = &setup.copy_of {
            for name in [SQLITE_FILE, SQLITE_LOG] {
                std::fs::copy(original.join(name), data.join(name))?;
            }
        }
        SqliteFile::open(&file, Durability::ProcessCrash).await?.into()
    };
    let store = SqlStore::new(database.clone());
    let directory = LiveDirectory::start(Arc::new(store.clone()), None);
    directory.completed().await;
    let refresh_tokens = Arc::new(SqlRefreshTokens::new(database));
    let (clock, random) = (Arc::new(Stopped), Arc::new(Counter(AtomicU64::new(0))));
    let ring = RingSettings { first_keys: vec![key], ..RingSettings::default() };
    let encryption_key = EncryptionKey::generate(&*random);
    let ring =
        LiveKeyRing::open(Arc::new(store), encryption_key, ring, (clock.clone(), random.clone()));
    let ports = TokenPorts {
        directory: Arc::new(directory.clone()),
        api_keys: Arc::new(directory.clone()),
        refresh_tokens: refresh_tokens.clone(),
        clock: clock.clone(),
        random: random.clone(),
    };
    let tokens = TokenService::new(ports, Arc::new(ring.await?), TokenSettings::default());
    if setup.copy_of.is_none() {
        prepare(&directory, &tokens, &refresh_tokens, setup.refresh_tokens).await?;
    }
    let ports = Ports {
        directory: Arc::new(directory.clone()),
        guard: Arc::new(ReplayWheel::new(ReplayLimits::default(), clock.clone(), &SystemRandom)),
        store: Arc::new(directory),
        visits: Arc::new(MemoryStore::default()),
        tokens: Some(Arc::new(tokens)),
        clock,
        random,
    };
    Ok(Service::new(ports, Settings::new("benchmark"))?.public())
}

/// Makes the accounts with their keys, and refresh tokens of the first of them.
async fn prepare(
    directory: &LiveDirectory,
    tokens: &TokenService,
    refresh_tokens: &Arc<SqlRefreshTokens>,
    count: usize,
) -> anyhow::Result<()> {
    let act = Act { actor: "benchmark".into(), at: NOW, from: None };
    let mut first = ApiKeyId(Uuid::nil());
    for index in 0..ACCOUNTS {
        let id = AccountId(identifier(index));
        let new = NewAccount { id, name: account(index), groups: Vec::new() };
        directory.create_account(&act, new).await?;
        let key = tokens.new_api_key(&api_key(index), String::new(), None);
        first = if index == 0 { key.id } else { first };
        directory.add_api_key(&act, &account(index), key).await?;
    }
    for batch in (0..count).step_by(PREPARED_AT_ONCE) {
        let adding = (batch..count.min(batch + PREPARED_AT_ONCE)).map(|number| {
            let digest =
                aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &number.to_le_bytes());
            let mut hash = [0; 32];
            hash.copy_from_slice(digest.as_ref());
            let token = RefreshTokenRecord {
                hash: SecretHash::from_bytes(hash),
                api_key: first,
                account: AccountId(identifier(0)),
                created_at: NOW,
                expires_at: NOW + Duration::from_hours(24),
            };
            let refresh_tokens = Arc::clone(refresh_tokens);
            tokio::spawn(async move { refresh_tokens.add_refresh_token(token).await })
        });
        for added in adding.collect::<Vec<_>>() {
            anyhow::ensure!(added.await??, "the key is there");
        }
    }
    // This sorts in what has just arrived; twice, because some may be on their way.
    for _ in 0..2 {
        refresh_tokens.delete_expired_refresh_tokens(NOW).await?;
    }
    Ok(())
}
