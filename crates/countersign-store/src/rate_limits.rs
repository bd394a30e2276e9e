//! Limits on how often one may ask.
//!
//! [`MemoryRateLimiter`] counts in the process, in bounded memory.
//! [`RedisRateLimiter`] counts for all servers that share a Redis (feature `redis`), and in
//! the process while Redis is away.
//!
//! ```
//! use std::num::NonZeroU32;
//! use std::time::Duration;
//! use countersign_core::ports::{RateLimiter, RateSubject};
//! use countersign_store::rate_limits::{MemoryRateLimiter, RateLimit, clock::MonotonicClock};
//!
//! let two = NonZeroU32::new(2).unwrap();
//! let limit = RateLimit::new(two, Duration::from_mins(1), two).unwrap();
//! let limiter = MemoryRateLimiter::new(limit, MonotonicClock);
//! let stranger = RateSubject::address([192, 0, 2, 1].into());
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! assert!(limiter.count(stranger).await.is_ok());
//! assert!(limiter.count(stranger).await.is_ok());
//! let over = limiter.count(stranger).await.unwrap_err();
//! assert!(over.retry_after <= Duration::from_secs(30));
//! # });
//! ```

mod limit;
mod memory;
#[cfg(feature = "redis")]
mod redis;

/// What tells limiters how time passes. It never goes back, other than the time of day.
pub mod clock {
    pub use governor::clock::{Clock, FakeRelativeClock, MonotonicClock};
}

pub use limit::{MAX_RECOVERY, RateLimit, RateLimitError};
pub use memory::{MAX_SUBJECTS, MemoryRateLimiter};
#[cfg(feature = "redis")]
pub use redis::{RedisCounts, RedisRateLimiter};
