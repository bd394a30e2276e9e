//! What is read when somebody asks for the metrics.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::ports::ReplayGuard;
use countersign_core::{Clock, UnixTime};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::token_service::TokenService;

/// Reads what only the program that puts the service together can see.
#[derive(Clone)]
pub struct Surroundings(Arc<dyn Fn() -> SurroundingsReading + Send + Sync>);

/// What the service stands on, at one moment.
#[derive(Clone, Debug, Default)]
pub struct SurroundingsReading {
    /// The accounts in memory.
    pub directory: Option<DirectoryReading>,
    /// The JWKS endpoints that accounts are trusted through.
    pub jwks: Option<JwksReading>,
    /// The connections to databases.
    pub pools: Vec<PoolReading>,
    /// How far the clock is from those that other servers ask too.
    pub clocks: Vec<ClockReading>,
    /// For how much longer the replay guard has callers wait, as it may not know what was used.
    pub guard_wait: Duration,
}

/// How far the reading of the accounts is.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryReading {
    /// Whether all are in memory.
    pub complete: bool,
    /// How many are.
    pub accounts: usize,
    /// Whether questions are answered by them at the moment, and not by the database.
    pub believed: bool,
    /// How long ago it was seen that others have changed nothing which is not in memory; `None`
    /// if no others may, or it has not been seen yet.
    pub age: Option<Duration>,
}

/// How the fetching of JWKS endpoints goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct JwksReading {
    /// How many there are.
    pub endpoints: usize,
    /// Of how many the last fetch failed.
    pub failing: usize,
    /// When the one that was fetched longest ago was fetched.
    pub oldest_fetch: Option<UnixTime>,
}

/// The connections to one database.
#[derive(Clone, Copy, Debug)]
pub struct PoolReading {
    /// What it is for.
    pub pool: &'static str,
    /// How many connections are open.
    pub size: u32,
    /// How many of them nobody uses.
    pub idle: u32,
}

/// How far this server's clock is from another.
#[derive(Clone, Copy, Debug)]
pub struct ClockReading {
    /// Whose that is, one word.
    pub reference: &'static str,
    /// By how many microseconds ours is ahead; behind if negative.
    pub ahead_micros: i64,
}

impl Surroundings {
    /// Reads so. It is called with every scrape and must not wait.
    pub fn new(read: impl Fn() -> SurroundingsReading + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }
}

/// Everything that is read with a scrape.
pub(super) struct AtTheMoment {
    pub(super) guard: Arc<dyn ReplayGuard>,
    pub(super) tokens: Option<Arc<TokenService>>,
    pub(super) surroundings: Option<Surroundings>,
    pub(super) clock: Arc<dyn Clock>,
}

impl fmt::Debug for AtTheMoment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtTheMoment")
    }
}

impl Collector for AtTheMoment {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauges = Gauges(encoder);
        if let Some(live) = self.guard.live_uses() {
            let help = "Spent nonces that are remembered";
            gauges.one("replay_guard_live_nonces", help, live)?;
        }
        if let Some(activated_at) = self.signing_since() {
            let help = "How long the key that signs access tokens has been signing";
            gauges.one("signing_key_age_seconds", help, self.age(activated_at))?;
        }
        if let Some(tokens) = &self.tokens {
            let help = "Signing keys in the database that cannot be used";
            gauges.one("signing_keys_unusable", help, tokens.ring().unusable_keys().len())?;
        }
        let reading = self.surroundings.as_ref().map(|Surroundings(read)| read());
        let SurroundingsReading { directory, jwks, pools, clocks, guard_wait } =
            reading.unwrap_or_default();
        let help = "For how much longer signed requests get 503, as what was used may be forgotten";
        gauges.one("replay_guard_wait_seconds", help, guard_wait.as_secs_f64())?;
        if let Some(DirectoryReading { complete, accounts, believed, age }) = directory {
            let help = "Whether all accounts are in memory: 1, or 0 while they are being read";
            gauges.one("directory_complete", help, u64::from(complete))?;
            gauges.one("directory_accounts", "Accounts in memory", accounts)?;
            let help = "Whether the accounts in memory are believed: 1, or 0 while the database is asked for each request";
            gauges.one("directory_believed", help, u64::from(believed))?;
            if let Some(age) = age {
                let help =
                    "How long ago the accounts in memory were seen to be what the database has";
                gauges.one("directory_age_seconds", help, age.as_secs_f64())?;
            }
        }
        if let Some(JwksReading { endpoints, failing, oldest_fetch }) = jwks {
            let help = "JWKS endpoints that accounts are trusted through";
            gauges.one("jwks_endpoints", help, endpoints)?;
            let help = "JWKS endpoints of which the last fetch failed";
            gauges.one("jwks_endpoints_failing", help, failing)?;
            if let Some(oldest) = oldest_fetch {
                let help = "The age of the oldest key set that was fetched";
                gauges.one("jwks_oldest_fetch_age_seconds", help, self.age(oldest))?;
            }
        }
        let help = "How far this server's clock is ahead of a shared one; negative if behind";
        let ahead = clocks.iter().map(|clock| (clock.reference, seconds(clock.ahead_micros)));
        gauges.each(("clock_ahead_seconds", "reference"), help, ahead)?;
        let open = pools.iter().map(|pool| (pool.pool, i64::from(pool.size)));
        gauges.each(("database_connections", "pool"), "Connections that are open", open)?;
        let idle = pools.iter().map(|pool| (pool.pool, i64::from(pool.idle)));
        let help = "Connections that nobody uses";
        gauges.each(("database_connections_idle", "pool"), help, idle)
    }
}

impl AtTheMoment {
    fn signing_since(&self) -> Option<UnixTime> {
        let (ring, _) = self.tokens.as_ref()?.ring().current();
        ring.active()?.activated_at
    }

    fn age(&self, since: UnixTime) -> f64 {
        let micros = self.clock.now().as_micros().saturating_sub(since.as_micros());
        Duration::from_micros(u64::try_from(micros).unwrap_or(0)).as_secs_f64()
    }
}

fn seconds(micros: i64) -> f64 {
    let size = Duration::from_micros(micros.unsigned_abs()).as_secs_f64();
    if micros < 0 { -size } else { size }
}

struct Gauges<'a>(DescriptorEncoder<'a>);

impl Gauges<'_> {
    fn one(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    /// One of several, told apart by a label.
    fn each(
        &mut self,
        (name, label): (&str, &'static str),
        help: &str,
        values: impl ExactSizeIterator<Item = (&'static str, impl EncodeGaugeValue)>,
    ) -> fmt::Result {
        if values.len() == 0 {
            return Ok(());
        }
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (called, value) in values {
            let labels = [(label, called)];
            ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
