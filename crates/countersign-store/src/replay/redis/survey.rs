//! What a Redis is, and whether it keeps what it acknowledges.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;

use super::RedisDurability;
use super::masters::Master;
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

/// Asks every master.
///
/// # Errors
/// [`RedisError::Unfit`] if one of them will not do.
pub(super) async fn survey(
    masters: &[Master],
    durability: RedisDurability,
) -> Result<Identity, RedisError> {
    let mut parts = Vec::with_capacity(masters.len());
    for master in masters {
        let mut connection = master.connection.clone();
        let process = identify(&mut connection).await?;
        if durability == RedisDurability::Checked {
            check_settings(&mut connection).await?;
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
