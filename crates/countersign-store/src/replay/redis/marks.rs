//! What each master carries beside the uses, so that one that has forgotten some is found out
//! by the next.

use std::sync::atomic::{AtomicI64, Ordering};

use countersign_core::UnixTime;
use redis::Pipeline;
use redis::aio::MultiplexedConnection;

use super::epoch::Namespace;
use super::masters::Master;
use super::session::RedisError;
use crate::replay::skew::MAX_CLOCK_SKEW;

/// How many tags are tried for one that falls to a master. One with a single slot of 16,384
/// is missed by all of them once in a million times.
const TAGS: u32 = 250_000;
/// Keeps the latest time that a master has seen.
const ADVANCE: &str = "local time = redis.call('TIME') \
    local now = time[1] * 1000000 + time[2] \
    local latest = tonumber(redis.call('GET', KEYS[1]) or 0) \
    if now > latest then redis.call('SET', KEYS[1], string.format('%.0f', now)) end";

/// Writes both, or none. A script, as whoever may call it needs no further rights.
const BEGIN: &str = "redis.call('SET', KEYS[1], ARGV[1]) redis.call('SET', KEYS[2], ARGV[2])";

/// The keys of a master's marks, and what was seen of them.
///
/// The epoch's text is there for as long as nothing was removed. The clock is the latest time
/// that the master has had: it is ahead of the master's own if that was set back, after it
/// may have let uses expire early, and behind of what was seen if a dump was restored.
pub(super) struct Marks {
    pub(super) epoch_key: String,
    clock_key: String,
    /// The latest time that this session has seen.
    seen: AtomicI64,
}

/// The marks as they are, and the time by the master's clock.
pub(super) struct Found {
    pub(super) epoch: Option<String>,
    latest: Option<i64>,
    pub(super) now: UnixTime,
}

/// The latest time that was seen before it was asked for again.
pub(super) struct Seen(i64);

/// As Redis answers [`Marks::ask`].
pub(super) type Answer = ((Option<String>, Option<i64>), (i64, i64));

impl Found {
    pub(super) fn read(((epoch, latest), (seconds, micros)): Answer) -> Self {
        let now = UnixTime::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros));
        Self { epoch, latest, now }
    }

    /// The latest time by the master's clock, or by that of the one it was copied from: servers
    /// that agreed with that one accepted by it. Beyond what they may differ by, nobody did.
    pub(super) fn latest(&self) -> UnixTime {
        let copied = self.latest.map_or(self.now, UnixTime::from_micros);
        copied.clamp(self.now, self.now + 2 * MAX_CLOCK_SKEW)
    }

    /// Whether the master's clock was ahead and was set back.
    pub(super) fn was_set_back(&self) -> bool {
        self.latest.is_some_and(|latest| UnixTime::from_micros(latest) > self.now + MAX_CLOCK_SKEW)
    }
}

impl Marks {
    /// The marks for this master.
    pub(super) fn of(namespace: &Namespace, master: &Master) -> Option<Self> {
        let tag = (0..TAGS).find(|tag| master.takes(tag.to_string().as_bytes()))?;
        let (epoch_key, clock_key) = (namespace.mark("epoch", tag), namespace.mark("clock", tag));
        Some(Self { epoch_key, clock_key, seen: AtomicI64::new(i64::MIN) })
    }

    /// Asks for them, after whatever else is in the pipeline. What was seen by then is a part
    /// of what [`go_on`](Self::go_on) goes by.
    pub(super) fn ask(&self, pipeline: &mut Pipeline) -> Seen {
        pipeline.cmd("MGET").arg(&self.epoch_key).arg(&self.clock_key);
        pipeline.cmd("TIME");
        Seen(self.seen.load(Ordering::Relaxed))
    }

    /// Reads them by themselves.
    pub(super) async fn read(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<(Found, Seen), RedisError> {
        let mut pipeline = redis::pipe();
        let seen = self.ask(&mut pipeline);
        let answer: Answer = pipeline.query_async(connection).await?;
        Ok((Found::read(answer), seen))
    }

    /// Whether they tell of the same history as when they were last seen.
    pub(super) fn go_on(&self, found: &Found, Seen(seen): &Seen) -> bool {
        let latest = found.latest.unwrap_or(i64::MIN);
        self.seen.fetch_max(latest, Ordering::Relaxed);
        *seen <= latest && !found.was_set_back()
    }

    /// Writes the clock's time down, if it is the latest.
    pub(super) async fn advance(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), RedisError> {
        let mut advance = redis::cmd("EVAL");
        advance.arg(ADVANCE).arg(1).arg(&self.clock_key);
        match advance.query_async::<()>(connection).await {
            // There is room for nothing, uses included.
            Err(error) if is_full(&error) => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    /// Begins anew, with this text, at this time.
    pub(super) async fn begin(
        &self,
        connection: &mut MultiplexedConnection,
        (epoch, now): (&str, UnixTime),
    ) -> Result<(), RedisError> {
        let mut begin = redis::cmd("EVAL");
        begin.arg(BEGIN).arg(2).arg(&self.epoch_key).arg(&self.clock_key);
        begin.arg(epoch).arg(now.as_micros());
        Ok(begin.query_async::<()>(connection).await?)
    }
}

/// Whether Redis is at `maxmemory`, and may evict nothing.
pub(super) fn is_full(error: &redis::RedisError) -> bool {
    let errors = error.clone().into_server_errors();
    errors.is_some_and(|errors| errors.iter().any(|(_, error)| error.code() == "OOM"))
}
