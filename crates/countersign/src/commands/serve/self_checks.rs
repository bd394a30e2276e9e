//! What the server looks at when it reports on itself, beside what the service works with.

mod clocks;
mod database;
mod jwks_endpoints;
mod memory;
mod redis;

use std::sync::Arc;

use countersign_server::api::GuardKind;
use countersign_server::self_report::SelfCheck;
use countersign_store::replay::RedisProbe;
use countersign_store::{ClockWatch, LiveDirectory, RemoteJwks};

use crate::config::{DatabaseLocation, Settings};
use crate::databases::Databases;

/// What the checks look at.
pub(super) struct Surroundings<'a> {
    pub(super) databases: &'a Databases,
    pub(super) directory: &'a LiveDirectory,
    pub(super) jwks: &'a Arc<RemoteJwks>,
    pub(super) clocks: &'a Arc<ClockWatch>,
    pub(super) redis: Option<&'a Arc<RedisProbe>>,
}

/// All of them.
pub(super) fn of(settings: &Settings, around: &Surroundings<'_>) -> Vec<Arc<dyn SelfCheck>> {
    let most_connections = match &settings.database {
        DatabaseLocation::Postgres(_, limits) => Some(limits.connections),
        DatabaseLocation::DataDirectory | DatabaseLocation::File(_) => None,
    };
    let guard = settings.replay.guard.kind(&around.databases.main);
    let mut checks: Vec<Arc<dyn SelfCheck>> = vec![
        Arc::new(database::DatabaseCheck {
            database: around.databases.main.clone(),
            most_connections,
        }),
        Arc::new(clocks::Clocks { watch: Arc::clone(around.clocks), guard }),
        Arc::new(memory::Memory(around.directory.clone())),
        Arc::new(memory::ApiKeys(around.directory.clone())),
        Arc::new(jwks_endpoints::JwksEndpoints(Arc::clone(around.jwks))),
    ];
    checks.extend(around.redis.map(|probe| {
        let probe = Arc::clone(probe);
        let check: Arc<dyn SelfCheck> = match guard {
            GuardKind::Redis => Arc::new(redis::GuardsRedis(probe)),
            _ => Arc::new(redis::CountsRedis(probe)),
        };
        check
    }));
    checks
}
