//! Where spent nonces are remembered, and how long that may take.

use std::path::Path;
use std::time::Duration;

use countersign_server::api::GuardKind;
use countersign_store::Database;
use countersign_store::replay::{Namespace, RedisDurability, RedisUrl};

use super::options::ServeOptions;
use super::rate_limits::RateLimits;
use super::values::{ReplayGuardKind, Span};
use crate::failure::Failure;
use crate::files;

/// The replay guard, and its limits.
#[derive(Clone, Debug)]
pub(crate) struct ReplaySettings {
    pub(crate) guard: GuardChoice,
    /// Of the guard, or of rate limits alone.
    pub(crate) redis: Option<RedisSettings>,
    pub(crate) capacity: usize,
    /// The longest that a guard outside of this process may take to answer.
    pub(crate) timeout: Duration,
    /// Whether all servers are to have this one's tolerance from now on.
    pub(crate) changes_tolerance: bool,
}

/// A replay guard, with what it needs.
#[derive(Clone, Debug)]
pub(crate) enum GuardChoice {
    Durable,
    Memory,
    Database,
    Redis(Box<RedisSettings>),
}

impl GuardChoice {
    /// Where that is, with this database.
    pub(crate) fn kind(&self, database: &Database) -> GuardKind {
        match (self, database) {
            (Self::Memory, _) => GuardKind::Memory,
            (Self::Redis(_), _) => GuardKind::Redis,
            (Self::Database, Database::Postgres(_)) => GuardKind::Postgres,
            (Self::Durable | Self::Database, _) => GuardKind::File,
        }
    }

    /// Whether all servers on this database have one guard. Others accept a token once each.
    pub(crate) fn is_shared(&self, database: &Database) -> bool {
        self.kind(database).is_shared()
    }
}

/// Where Redis is.
#[derive(Clone, Debug)]
pub(crate) struct RedisSettings {
    pub(crate) url: RedisUrl,
    /// `None` is the installation's id.
    pub(crate) namespace: Option<Namespace>,
    pub(crate) root_certificate: Option<Vec<u8>>,
    pub(crate) durability: RedisDurability,
}

impl ReplaySettings {
    /// Reads these settings and the files they name.
    pub(super) fn resolve(
        options: &ServeOptions,
        capacity: usize,
        rate_limits: RateLimits,
    ) -> Result<Self, Failure> {
        let kind = options.replay_guard.unwrap_or(ReplayGuardKind::Durable);
        let redis = redis(options)?;
        let guard = match (kind, &redis) {
            (ReplayGuardKind::Redis, Some(redis)) => GuardChoice::Redis(Box::new(redis.clone())),
            (ReplayGuardKind::Redis, None) => {
                return Err(Failure::usage("redis_url is missing: replay_guard is redis"));
            }
            (_, Some(_)) if !rate_limits.are_set() => {
                return Err(Failure::usage(
                    "redis_url is set, but replay_guard is not redis and there are no rate limits: nothing would be kept there",
                ));
            }
            (ReplayGuardKind::Durable, _) => GuardChoice::Durable,
            (ReplayGuardKind::Memory, _) => GuardChoice::Memory,
            (ReplayGuardKind::Database, _) => GuardChoice::Database,
        };
        let timeout = options.replay_timeout.map_or(Duration::from_secs(1), |span| span.0);
        if timeout.is_zero() {
            return Err(Failure::usage(format_args!(
                "replay_timeout is {}, expected a span such as 1s",
                Span(timeout)
            )));
        }
        let changes_tolerance = options.change_tolerance.unwrap_or(false);
        Ok(Self { guard, redis, capacity, timeout, changes_tolerance })
    }
}

fn redis(options: &ServeOptions) -> Result<Option<RedisSettings>, Failure> {
    let (setting, url) = match (&options.redis_url, &options.redis_url_file) {
        (Some(_), Some(_)) => {
            return Err(Failure::usage(
                "there are two URLs of Redis, in redis_url and redis_url_file: give one",
            ));
        }
        (Some(url), None) => ("redis_url".to_owned(), url.clone().into()),
        (None, Some(path)) => (path.display().to_string(), files::read_text(path)?),
        (None, None) => return Ok(None),
    };
    let url = url.trim().parse();
    Ok(Some(RedisSettings {
        url: url.map_err(|error| Failure::usage(format_args!("{setting}: {error}")))?,
        namespace: options.redis_namespace.as_deref().map(namespace).transpose()?,
        root_certificate: options.redis_ca_file.as_deref().map(certificate).transpose()?,
        durability: if options.dangerous_redis_durability_unchecked.unwrap_or(false) {
            RedisDurability::DangerouslyVouchedFor
        } else {
            RedisDurability::Checked
        },
    }))
}

fn namespace(text: &str) -> Result<Namespace, Failure> {
    text.parse()
        .map_err(|error| Failure::usage(format_args!("redis_namespace is `{text}`, {error}")))
}

fn certificate(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(files::read(path)?.to_vec())
}
