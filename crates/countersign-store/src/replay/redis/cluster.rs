//! What the masters of a cluster say of its layout.

use std::ops::RangeInclusive;

use redis::Value;
use redis::aio::MultiplexedConnection;

use super::masters::Master;
use super::session::RedisError;

/// A master, as one of the cluster's servers has it.
pub(super) struct Listed {
    /// The same for all, other than its address.
    pub(super) id: String,
    /// A server that does not know its own leaves it to whoever asks.
    pub(super) host: Option<String>,
    pub(super) port: u16,
    pub(super) slots: Vec<RangeInclusive<u16>>,
    /// How many it has, other than those that are known to have failed.
    replicas: u32,
}

/// The masters that this server knows.
pub(super) async fn layout(
    connection: &mut MultiplexedConnection,
) -> Result<Vec<Listed>, RedisError> {
    let ranges: Vec<Vec<Value>> =
        redis::cmd("CLUSTER").arg("SLOTS").query_async(connection).await?;
    let mut masters: Vec<Listed> = Vec::new();
    for range in &ranges {
        let range = read_range(range).ok_or_else(|| RedisError::unexpected("CLUSTER SLOTS"))?;
        match masters.iter_mut().find(|known| known.id == range.id) {
            Some(known) => known.slots.extend(range.slots),
            None => masters.push(range),
        }
    }
    Ok(masters)
}

/// How many replicas each of these masters has now, by the most that one of them knows.
///
/// One that was cut off goes on with the layout that it knew, so all are asked and must agree.
///
/// # Errors
/// [`RedisError::Unreachable`] if one of them knows another layout.
pub(super) async fn replicas(masters: &[&Master]) -> Result<Vec<u32>, RedisError> {
    let mut most = vec![0; masters.len()];
    for asked in masters {
        let layout = layout(&mut asked.connection.clone()).await?;
        for (most, master) in most.iter_mut().zip(masters) {
            let is_same =
                |listed: &&Listed| listed.id == master.name && listed.slots == master.slots;
            let listed = layout.iter().find(is_same).filter(|_| layout.len() == masters.len());
            let listed = listed.ok_or_else(|| {
                RedisError::Unreachable("its cluster has another layout".to_owned())
            })?;
            *most = listed.replicas.max(*most);
        }
    }
    Ok(most)
}

/// The first and the last slot of a range, its master and the replicas of that.
fn read_range(range: &[Value]) -> Option<Listed> {
    let [first, last, Value::Array(master), replicas @ ..] = range else { return None };
    let [host, port, id, ..] = master.as_slice() else { return None };
    let number = |value| redis::from_redis_value_ref::<u16>(value).ok();
    let host: Option<String> = redis::from_redis_value_ref(host).unwrap_or_default();
    Some(Listed {
        id: redis::from_redis_value_ref(id).ok()?,
        host: host.filter(|host| !host.is_empty()),
        port: number(port)?,
        slots: vec![number(first)?..=number(last)?],
        replicas: u32::try_from(replicas.len()).unwrap_or(u32::MAX),
    })
}
