//! What counts requests, by the settings.

use std::sync::Arc;

use countersign_core::ports::RateLimiter;
use countersign_server::RateLimiters;
use countersign_store::rate_limits::clock::MonotonicClock;
use countersign_store::rate_limits::{MemoryRateLimiter, RateLimit, RedisCounts, RedisRateLimiter};

use super::replay_guard::{redis_server, shared_limits};
use crate::config::Settings;
use crate::failure::Failure;

/// Counts in Redis if there is one, so that all servers count together, else in this
/// process.
///
/// # Errors
/// A [`Failure`] if Redis does not let us in.
pub(super) async fn open(settings: &Settings, instance_id: &str) -> Result<RateLimiters, Failure> {
    let limits = settings.rate_limits;
    let counts = match &settings.replay.redis {
        Some(redis) if limits.are_set() => {
            let server = redis_server(redis, instance_id)?;
            let counts = RedisCounts::start(server, shared_limits(settings)).await;
            let named = |error| Failure::usage(format_args!("redis_url: {error}"));
            Some(Arc::new(counts.map_err(named)?))
        }
        _ => None,
    };
    let limiter = |limit: RateLimit| match &counts {
        Some(counts) => {
            let counts = Arc::clone(counts);
            Arc::new(RedisRateLimiter::new(counts, limit, MonotonicClock)) as Arc<dyn RateLimiter>
        }
        None => Arc::new(MemoryRateLimiter::new(limit, MonotonicClock)),
    };
    Ok(RateLimiters {
        per_address: limits.per_address.map(limiter),
        per_credential: limits.per_credential.map(limiter),
    })
}
