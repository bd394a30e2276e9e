//! Counting in Redis, for all servers that share it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{OverLimit, RateLimiter, RateSubject};
use governor::clock::{Clock, Reference as _};
use quick_cache::sync::Cache;
use redis::Script;
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::limit::RateLimit;
use super::memory::{MAX_SUBJECTS, MemoryRateLimiter};
use crate::replay::redis::{Connections, Dialing};
use crate::replay::{RedisError, RedisServer, SharedLimits};

/// How long to wait before connecting again.
const PAUSE: Duration = Duration::from_secs(1);
/// For how long counting must have gone well for an outage to be over. One that lets us connect
/// and refuses to write, as a full one does, would begin and end with each request.
const SETTLED: Duration = Duration::from_secs(3);

/// One step of the generic cell rate algorithm: answers 0, or in how many microseconds the
/// next request is within the limit.
///
/// The time is Redis's own, so servers whose clocks differ count alike. What is kept under a
/// key is the time at which its subject has recovered, and until then alone.
static STEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local recovered = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
        -- A clock that was set back would have everybody wait.
        recovered = math.min(recovered, now + burst * interval)
        local wait = recovered - (burst - 1) * interval - now
        if wait > 0 then return math.ceil(wait) end
        recovered = recovered + interval
        local lifetime = math.ceil((recovered - now) / 1000)
        redis.call('SET', KEYS[1], string.format('%.3f', recovered), 'PX', lifetime)
        return 0
        ",
    )
});

/// Connections to Redis for whatever is counted there, kept open by a task of their own
/// until this is dropped.
pub struct RedisCounts {
    present: watch::Receiver<Option<Arc<Counting>>>,
    server: RedisServer,
    _task: DropGuard,
}

/// Connections, and whether anything has been counted over them.
struct Counting {
    connections: Connections,
    has_counted: AtomicBool,
    counted: Notify,
}

impl RedisCounts {
    /// Connects, in the current runtime. If Redis cannot be reached, the task goes on trying.
    ///
    /// # Errors
    /// [`RedisError::Unfit`] if Redis does not let us in.
    pub async fn start(server: RedisServer, limits: SharedLimits) -> Result<Self, RedisError> {
        let dialing = Dialing::new(&server, limits);
        let first = match open(&dialing).await {
            Err(error @ RedisError::Unfit(_)) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "rate limits are this server's own until it can");
                None
            }
            Ok(counting) => Some(Arc::new(counting)),
        };
        let (sender, present) = watch::channel(first);
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(keep_connected(dialing, sender)));
        Ok(Self { present, server, _task: stop.drop_guard() })
    }

    /// Counts there, or nothing if it cannot be said there at the moment.
    async fn count(
        &self,
        subject: RateSubject,
        limit: &RateLimit,
    ) -> Option<Result<(), OverLimit>> {
        let counting = self.present.borrow().clone()?;
        let key = self.server.namespace.limit_key(&subject);
        let interval = limit.interval().as_nanos();
        let answer: Result<u64, RedisError> = async {
            let mut connection = counting.connections.to(key.as_bytes())?;
            let mut step = STEP.key(key);
            // Microseconds, of which a double has fractions enough.
            step.arg(format!("{}.{:03}", interval / 1000, interval % 1000));
            Ok(step.arg(limit.burst().get()).invoke_async(&mut connection).await?)
        }
        .await;
        match answer {
            Ok(wait) => {
                counting.has_counted();
                let retry_after = Duration::from_micros(wait);
                Some(if wait == 0 { Ok(()) } else { Err(OverLimit { retry_after }) })
            }
            Err(error) => {
                counting.connections.give_up(error);
                None
            }
        }
    }
}

impl Counting {
    fn has_counted(&self) {
        // Mostly it has: then nothing is written that other threads read.
        if !self.has_counted.load(Ordering::Relaxed)
            && !self.has_counted.swap(true, Ordering::Relaxed)
        {
            self.counted.notify_one();
        }
    }

    /// Waits until counting has gone well for a while. Nothing is counted after a failure, so
    /// whoever waits looks at both.
    async fn settled(&self) {
        self.counted.notified().await;
        tokio::time::sleep(SETTLED).await;
    }
}

/// Connects, and finds out whether we may count there.
async fn open(dialing: &Dialing) -> Result<Counting, RedisError> {
    let connections = dialing.connect().await?;
    for mut connection in connections.all() {
        STEP.prepare_invoke().load_async(&mut connection).await?;
    }
    Ok(Counting { connections, has_counted: AtomicBool::new(false), counted: Notify::new() })
}

async fn keep_connected(dialing: Dialing, present: watch::Sender<Option<Arc<Counting>>>) {
    // A start without Redis has been said.
    let mut is_away = present.borrow().is_none();
    loop {
        let now = present.borrow().clone();
        if let Some(counting) = now {
            let error = tokio::select! {
                error = counting.connections.given_up() => error,
                () = counting.settled(), if is_away => {
                    tracing::info!("rate limits are shared through Redis again");
                    is_away = false;
                    counting.connections.given_up().await
                }
            };
            if is_away {
                tracing::debug!(%error, "Redis does not count rate limits yet");
            } else {
                tracing::warn!(%error, "rate limits are this server's own while Redis is away");
                is_away = true;
            }
            present.send_replace(None);
        }
        tokio::time::sleep(PAUSE).await;
        match open(&dialing).await {
            Ok(counting) => {
                present.send_replace(Some(Arc::new(counting)));
            }
            Err(error) => tracing::debug!(%error, "no connection for rate limits"),
        }
    }
}

/// Counts in Redis, in one round trip, and in this process while Redis is away.
///
/// Whoever is over the limit is turned away in this process until it is over: a flood of what is
/// refused anyway must not reach the Redis that others depend on.
pub struct RedisRateLimiter<C: Clock> {
    counts: Arc<RedisCounts>,
    limit: RateLimit,
    own: MemoryRateLimiter<C>,
    /// Until when a subject is over the limit, as Redis said.
    over: Cache<RateSubject, C::Instant>,
    clock: C,
}

impl<C: Clock> RedisRateLimiter<C> {
    /// A limiter of its own over connections that others use too.
    pub fn new(counts: Arc<RedisCounts>, limit: RateLimit, clock: C) -> Self
    where
        C: Clone,
    {
        let own = MemoryRateLimiter::new(limit, clock.clone());
        Self { counts, limit, own, over: Cache::new(MAX_SUBJECTS), clock }
    }
}

#[async_trait]
impl<C> RateLimiter for RedisRateLimiter<C>
where
    C: Clock + Send + Sync,
    C::Instant: Send + Sync,
{
    async fn count(&self, subject: RateSubject) -> Result<(), OverLimit> {
        let now = self.clock.now();
        if let Some(until) = self.over.get(&subject)
            && until > now
        {
            return Err(OverLimit { retry_after: until.duration_since(now).into() });
        }
        let Some(counted) = self.counts.count(subject, &self.limit).await else {
            return self.own.count_now(subject);
        };
        if let Err(over) = &counted {
            self.over.insert(subject, now + over.retry_after.into());
        }
        counted
    }
}
