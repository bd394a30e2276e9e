//! Whom the sentinels call the master.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use redis::{ConnectionInfo, RedisConnectionInfo};

use super::masters::Dialer;
use super::session::RedisError;

/// The master of a name, and what is known of its failovers.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) host: String,
    pub(super) port: u16,
    /// How many replicas there are, reachable or not.
    pub(super) replicas: u32,
    /// How long the master must be out of reach before another takes over.
    pub(super) down_after: Duration,
}

impl Named {
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// The master that more than half of these sentinels name. Those that are cut off together
/// with an old master go on naming it.
pub(super) async fn named(
    dialer: &Dialer,
    sentinels: &[ConnectionInfo],
    service: &str,
) -> Result<Named, RedisError> {
    let answers = join_all(sentinels.iter().map(|sentinel| ask(dialer, sentinel, service))).await;
    let mut failure = None;
    let mut votes: HashMap<(String, u16), Vec<Named>> = HashMap::new();
    for answer in answers {
        match answer {
            Ok(named) => votes.entry((named.host.clone(), named.port)).or_default().push(named),
            Err(error) => failure = Some(error),
        }
    }
    let most = votes.into_values().max_by_key(Vec::len).unwrap_or_default();
    if most.len() * 2 <= sentinels.len() {
        let why = failure.map_or_else(String::new, |error| format!(" ({error})"));
        return Err(RedisError::Unreachable(format!(
            "{} of {} sentinels name the same master, expected more than half{why}",
            most.len(),
            sentinels.len()
        )));
    }
    // The least favourable of what they say.
    let worst = most.into_iter().reduce(|one, other| Named {
        replicas: one.replicas.max(other.replicas),
        down_after: one.down_after.min(other.down_after),
        ..one
    });
    worst.ok_or_else(|| RedisError::Unreachable("there are no sentinels".to_owned()))
}

async fn ask(
    dialer: &Dialer,
    sentinel: &ConnectionInfo,
    service: &str,
) -> Result<Named, RedisError> {
    // The user and the password are for the master.
    let sentinel = sentinel.clone().set_redis_settings(RedisConnectionInfo::default());
    let mut connection = dialer.connect(&sentinel).await?;
    let mut pipeline = redis::pipe();
    // The first knows of a failover a little earlier.
    pipeline.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(service);
    pipeline.cmd("SENTINEL").arg("MASTER").arg(service);
    let ((host, port), fields): ((String, u16), HashMap<String, String>) =
        pipeline.query_async(&mut connection).await?;
    let number = |name: &str| fields.get(name).and_then(|value| value.parse::<u32>().ok());
    let read = || {
        let down_after = Duration::from_millis(number("down-after-milliseconds")?.into());
        Some(Named { host, port, replicas: number("num-slaves")?, down_after })
    };
    read().ok_or_else(|| RedisError::unexpected("SENTINEL MASTER"))
}
