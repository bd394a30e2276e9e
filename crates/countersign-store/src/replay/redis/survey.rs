//! What a Redis is, and whether it keeps what it acknowledges.

use std::collections::HashMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;

use super::RedisDurability;
use super::masters::{Failover, Master};
use super::session::RedisError;

/// The first release whose `SET` takes `NX` together with `GET`.
const OLDEST: u32 = 7;

/// What each setting must be, and why.
const REQUIRED: [(&str, &str, &str); 4] = [
    ("appendonly", "yes", "a restart forgets spent nonces otherwise"),
    ("appendfsync", "always", "a crash forgets the last spent nonces otherwise"),
    ("no-appendfsync-on-rewrite", "no", "appendfsync is suspended during rewrites otherwise"),
    ("maxmemory-policy", "noeviction", "spent nonces are forgotten to make room otherwise"),
];

/// What tells this Redis, with this history, from any other: for each master its process,
/// its replication history and its slots. As long as it stays the same, nothing that was
/// acknowledged is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity(pub(super) String);

/// Asks every master. With each comes who may take its place.
///
/// # Errors
/// [`RedisError::Unfit`] if one of them will not do.
pub(super) async fn survey(
    masters: impl Iterator<Item = (&Master, Failover)>,
    durability: RedisDurability,
) -> Result<Identity, RedisError> {
    let mut parts = Vec::new();
    for (master, failover) in masters {
        let mut connection = master.connection.clone();
        let process = identify(&mut connection).await?;
        if durability == RedisDurability::Checked {
            check_settings(&mut connection).await?;
            check_copies(&mut connection, &failover).await?;
        }
        let slots: Vec<String> =
            master.slots.iter().map(|slots| format!("{}-{}", slots.start(), slots.end())).collect();
        parts.push(format!("{process}/{}", slots.join("+")));
    }
    parts.sort();
    Ok(Identity(parts.join(" ")))
}

/// The run id of a master's process and the id of its replication history, which changes
/// when a replica takes over, and when a master has been a replica in between.
async fn identify(connection: &mut MultiplexedConnection) -> Result<String, RedisError> {
    let mut fields = HashMap::new();
    for section in ["server", "replication"] {
        let text: String = redis::cmd("INFO").arg(section).query_async(connection).await?;
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        fields.extend(lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())));
    }
    let field = |name: &str| {
        let value = fields.get(name).filter(|value| !value.is_empty());
        value.cloned().ok_or_else(|| RedisError::unexpected("INFO"))
    };
    let version = field("redis_version")?;
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST) {
        return Err(RedisError::Unfit(format!(
            "it is version {version}, expected {OLDEST}.0 or newer"
        )));
    }
    let role = field("role")?;
    if role != "master" {
        return Err(RedisError::Unreachable(format!("it is no master but a {role}")));
    }
    Ok(format!("{}/{}", field("run_id")?, field("master_replid")?))
}

async fn check_settings(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    for (name, expected, why) in REQUIRED {
        let answer = redis::cmd("CONFIG").arg("GET").arg(name).query_async(connection).await;
        let found: HashMap<String, String> = answer.map_err(|error| hidden(name, error))?;
        match found.get(name) {
            Some(value) if value == expected => {}
            Some(value) => {
                return Err(RedisError::Unfit(format!(
                    "its {name} is {value}, expected {expected}: {why}"
                )));
            }
            None => return Err(RedisError::Unfit(format!("it does not tell its {name}"))),
        }
    }
    Ok(())
}

/// Whether a use is taken only where more than half of a master's copies can have it, so that
/// no two parts of a network that broke take uses at a time.
async fn check_copies(
    connection: &mut MultiplexedConnection,
    failover: &Failover,
) -> Result<(), RedisError> {
    let replicas = match failover {
        Failover::Unknown => return Ok(()),
        Failover::BySentinels(named) => named.replicas,
        Failover::ByCluster(replicas) => *replicas,
    };
    if replicas == 0 {
        return Ok(());
    }
    let mut number = async |name: &str| -> Result<u32, RedisError> {
        let answer = redis::cmd("CONFIG").arg("GET").arg(name).query_async(connection).await;
        let found: HashMap<String, String> = answer.map_err(|error| hidden(name, error))?;
        let value = found.get(name).and_then(|value| value.parse().ok());
        value.ok_or_else(|| RedisError::Unfit(format!("it does not tell its {name}")))
    };
    let (asked, lag) =
        (number("min-replicas-to-write").await?, number("min-replicas-max-lag").await?);
    let down_after = match failover {
        Failover::BySentinels(named) => named.down_after,
        _ => Duration::from_millis(number("cluster-node-timeout").await?.into()),
    };
    let least = replicas.div_ceil(2);
    if asked < least {
        return Err(RedisError::Unfit(format!(
            "its min-replicas-to-write is {asked}, expected at least {least} where it has \
             {replicas} replicas: cut off with fewer it would go on while another takes its place"
        )));
    }
    let lag = Duration::from_secs(lag.into());
    if lag.is_zero() || lag >= down_after {
        return Err(RedisError::Unfit(format!(
            "its min-replicas-max-lag is {lag:?}, expected more than zero and less than the \
             {down_after:?} after which another takes its place"
        )));
    }
    Ok(())
}

/// A server that refuses to answer is not one that is away.
fn hidden(name: &str, error: redis::RedisError) -> RedisError {
    match error.kind() {
        redis::ErrorKind::Server(_) | redis::ErrorKind::Extension => RedisError::Unfit(format!(
            "it does not tell its {name} ({error}): let this user call CONFIG GET, or vouch for \
             it, if you know that it keeps what it acknowledges"
        )),
        _ => error.into(),
    }
}
