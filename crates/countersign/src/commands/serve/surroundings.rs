//! What the metrics say of what the service stands on.

use std::sync::Arc;

use countersign_server::{
    ClockReading, DirectoryReading, JwksReading, PoolReading, Surroundings, SurroundingsReading,
};
use countersign_store::{
    ClockDifference, ClockWatch, Connections, Database, LiveDirectory, Progress, RemoteJwks,
};

use super::guard_wait::GuardWait;
use crate::databases::Databases;

/// Reads them with every scrape.
pub(super) fn surroundings(
    directory: &LiveDirectory,
    jwks: &Arc<RemoteJwks>,
    (databases, clocks): (&Databases, &Arc<ClockWatch>),
    guard_wait: &Arc<GuardWait>,
) -> Surroundings {
    let (clocks, guard_wait) = (Arc::clone(clocks), Arc::clone(guard_wait));
    let (directory, jwks) = (directory.clone(), Arc::clone(jwks));
    let (main, nonces) = (databases.main.clone(), databases.nonces.clone());
    Surroundings::new(move || {
        let jwks = jwks.summary();
        let mut pools = vec![pool("main", main.connections())];
        // With a file, both are one.
        if let (Database::Postgres(_), Some(nonces)) = (&main, &nonces) {
            pools.push(pool("nonces", nonces.connections()));
        }
        SurroundingsReading {
            directory: Some(DirectoryReading {
                complete: directory.progress() == Progress::Complete,
                accounts: directory.accounts(),
                believed: directory.is_believed(),
                age: directory.age(),
            }),
            jwks: Some(JwksReading {
                endpoints: jwks.endpoints,
                failing: jwks.failing,
                oldest_fetch: jwks.oldest_fetch,
            }),
            pools,
            clocks: clocks.differences().into_iter().map(clock).collect(),
            guard_wait: guard_wait.left(),
        }
    })
}

fn pool(pool: &'static str, Connections { open, idle }: Connections) -> PoolReading {
    PoolReading { pool, size: open, idle }
}

fn clock((reference, difference): (&'static str, ClockDifference)) -> ClockReading {
    ClockReading { reference, ahead_micros: difference.ahead_micros }
}
