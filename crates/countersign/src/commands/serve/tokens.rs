//! The key-to-token service put together.

use std::sync::Arc;

use countersign_core::ports::RateLimiter;
use countersign_core::{
    AccessTokenForm, AccessTokenPolicy, EncryptionKey, IdentifierRule, RsaBits, SigningKey,
};
use countersign_server::key_to_token::{self, TokenRoutes};
use countersign_server::{
    LiveKeyRing, MAINTENANCE_INTERVAL, OpenRingError, RingSettings, RingSharing, SigningKeyKind,
    TokenPorts, TokenService, TokenSettings,
};
use countersign_store::{Database, LiveDirectory, SqlRefreshTokens, SqlStore};
use countersign_system::{SystemClock, SystemRandom};
use tokio::time::MissedTickBehavior;

use super::original_keys;
use crate::config::{Registration, TokenOptions};
use crate::failure::Failure;

/// Opens the key ring.
///
/// # Errors
/// A [`Failure`] if the encryption key is wrong or the store does not answer.
pub(super) async fn ring(
    options: &TokenOptions,
    store: &SqlStore,
    encryption_key: EncryptionKey,
) -> Result<Arc<LiveKeyRing>, Failure> {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let first_keys = original_keys::read(&options.original, options.signing_algorithm)?;
    let given: Vec<_> = first_keys.iter().map(|key| key.kid.clone()).collect();
    let opening = LiveKeyRing::open(
        Arc::new(store.clone()),
        encryption_key,
        RingSettings { sharing: sharing(store), ..ring_settings(options, first_keys) },
        (clock, random),
    );
    let ring = opening.await.map_err(|error| match error {
        OpenRingError::WrongEncryptionKey(_) => Failure::usage(error),
        other => Failure::refused(other),
    })?;
    let known = ring.keys();
    for kid in given.iter().filter(|kid| !known.iter().any(|(key, _)| key.kid == **kid)) {
        tracing::warn!(
            %kid,
            "the key pair of RSA_PUBLIC_KEY or RSA_PUBLIC_KEY_PATH is not used: this database has signing keys already; `countersign signing-key import` adds it to them"
        );
    }
    Ok(Arc::new(ring))
}

/// Puts the service together and begins to look after it.
pub(super) fn service(
    options: &TokenOptions,
    (store, directory): (&SqlStore, &LiveDirectory),
    (ring, credential_limit): (Arc<LiveKeyRing>, Option<Arc<dyn RateLimiter>>),
) -> Arc<TokenService> {
    let ports = TokenPorts {
        directory: Arc::new(directory.clone()),
        api_keys: Arc::new(directory.clone()),
        refresh_tokens: Arc::new(SqlRefreshTokens::new(store.database().clone())),
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    };
    let service = TokenService::new(ports, ring, token_settings(options));
    let service = Arc::new(match credential_limit {
        Some(limiter) => service.with_credential_limit(limiter),
        None => service,
    });
    tokio::spawn(look_after(Arc::clone(&service)));
    service
}

/// Which routes there are.
pub(super) fn routes(options: &TokenOptions) -> TokenRoutes {
    TokenRoutes {
        external: options.external_api,
        registration: match options.registration {
            Registration::Off => key_to_token::Registration::Off,
            Registration::Internal => key_to_token::Registration::Internal,
            Registration::Public => key_to_token::Registration::AlsoPublic,
        },
    }
}

fn ring_settings(options: &TokenOptions, first_keys: Vec<SigningKey>) -> RingSettings {
    let kind = SigningKeyKind {
        algorithm: options.signing_algorithm,
        rsa_bits: options.original.rsa_bits.unwrap_or(RsaBits::B2048),
    };
    RingSettings {
        kind,
        rotate_every: options.signing_key_lifetime,
        longest_lifetime: options.access_token_lifetime,
        first_keys,
        ..RingSettings::default()
    }
}

/// A file is one server's; PostgreSQL is open to others.
fn sharing(store: &SqlStore) -> RingSharing {
    match store.database() {
        Database::Sqlite(_) => RingSharing::Alone,
        Database::Postgres(_) => RingSharing::WithOthers,
    }
}

fn token_settings(options: &TokenOptions) -> TokenSettings {
    let identifier_rule = if options.dangerous_allow_any_identifier {
        tracing::warn!(
            "dangerous_allow_any_identifier is on: whoever holds any API key can claim any identifier, and pass for anyone where services look at `identifier` instead of `sub`"
        );
        IdentifierRule::DangerousAny
    } else {
        IdentifierRule::Own
    };
    TokenSettings {
        policy: AccessTokenPolicy {
            issuer: options.issuer.clone(),
            audience: options.audiences.clone(),
            lifetime: options.access_token_lifetime,
            form: match (options.original_claims, identifier_rule) {
                (false, _) => AccessTokenForm::Full,
                (true, IdentifierRule::Own) => AccessTokenForm::Original,
                (true, IdentifierRule::DangerousAny) => AccessTokenForm::OriginalWithSubject,
            },
        },
        api_key_lifetime: options.api_key_lifetime,
        refresh_token_lifetime: options.refresh_token_lifetime,
        identifier_rule,
    }
}

/// Until the program ends. Not at the start, when there is enough to read.
async fn look_after(service: Arc<TokenService>) {
    let mut ticks = tokio::time::interval(MAINTENANCE_INTERVAL);
    ticks.reset();
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        service.maintain().await;
    }
}
