//! The number by which servers know that they share a Redis, by whatever addresses they reach it.
//!
//! It stands in Redis itself: replicas have it too, and a cluster moves it with its slot. Another
//! Redis, or one that was emptied, draws another.

use countersign_core::Random;
use redis::aio::MultiplexedConnection;

use super::epoch::Namespace;
use super::session::{RedisError, Session};
use crate::replay::memory::MemoryId;

/// Names the one master of a cluster that has the number.
const TAG: u32 = 0;

/// The number that is there.
pub(super) async fn read(
    session: &Session,
    namespace: &Namespace,
) -> Result<Option<MemoryId>, RedisError> {
    let (mut connection, key) = place(session, namespace)?;
    let found: Option<i32> = redis::cmd("GET").arg(key).query_async(&mut connection).await?;
    found.map(known).transpose()
}

/// The number that is there, or else one that is drawn. Of several that draw at once one is first.
pub(super) async fn read_or_draw(
    session: &Session,
    namespace: &Namespace,
    random: &dyn Random,
) -> Result<MemoryId, RedisError> {
    // A Redis that is full answers this, and would not the other.
    if let Some(id) = read(session, namespace).await? {
        return Ok(id);
    }
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    let drawn = MemoryId::drawn(bytes);
    let (mut connection, key) = place(session, namespace)?;
    let mut set = redis::cmd("SET");
    set.arg(key).arg(drawn.number()).arg("NX").arg("GET");
    let before: Option<i32> = set.query_async(&mut connection).await?;
    before.map_or(Ok(drawn), known)
}

fn place(
    session: &Session,
    namespace: &Namespace,
) -> Result<(MultiplexedConnection, String), RedisError> {
    let master = &session.master(TAG.to_string().as_bytes())?.master;
    Ok((master.connection.clone(), namespace.mark("id", TAG)))
}

fn known(number: i32) -> Result<MemoryId, RedisError> {
    MemoryId::numbered(number).ok_or_else(|| RedisError::unexpected("GET"))
}
