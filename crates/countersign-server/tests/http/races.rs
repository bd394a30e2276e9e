//! One token, many callers, one acceptance.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use axum::Router;
use countersign_core::ports::ReplayGuard;
use countersign_server::{Ports, Service, Settings};
use countersign_store::LiveDirectory;
use countersign_store::replay::{ReplayLimits, ReplayWheel};
use tokio::sync::Barrier;

use crate::support::raw::{Connection, serve};
use crate::support::{INSTANCE, World};

const CALLERS: usize = 64;
const ROUNDS: usize = 1000;

/// The service as it is put together in production, but for the disk.
async fn production_service(world: &World) -> Service {
    let directory = LiveDirectory::start(world.store.clone(), None);
    directory.completed().await;
    let guard: Arc<dyn ReplayGuard> =
        Arc::new(ReplayWheel::new(ReplayLimits::default(), world.clock.clone(), &*world.random));
    let ports = Ports {
        store: Arc::new(directory.clone()),
        visits: world.store.clone(),
        directory: Arc::new(directory),
        guard,
        tokens: None,
        clock: world.clock.clone(),
        random: world.random.clone(),
    };
    Service::new(ports, Settings::new(INSTANCE)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_token_fired_64_times_at_once_is_accepted_once_in_each_of_1000_rounds() {
    let world = World::new();
    let signer = world.account("worker", &[]).await;
    let tokens: Vec<_> = (0..ROUNDS).map(|_| world.authorization(&signer)).collect();
    let service = production_service(&world).await;
    let address = serve(Router::new().fallback_service(service.public())).await;
    let tokens: Arc<[String]> = tokens.into();
    let accepted: Arc<[AtomicUsize]> = (0..ROUNDS).map(|_| AtomicUsize::new(0)).collect();
    let start = Arc::new(Barrier::new(CALLERS));

    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (tokens, accepted, start) = (tokens.clone(), accepted.clone(), start.clone());
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                for (token, accepted) in tokens.iter().zip(accepted.iter()) {
                    start.wait().await;
                    let head = "GET /forward-auth HTTP/1.1\r\nhost: x\r\nauthorization";
                    connection.send(format!("{head}: {token}\r\n\r\n")).await;
                    match connection.answer().await.status() {
                        200 => accepted.fetch_add(1, SeqCst),
                        401 => 0,
                        other => panic!("{other}"),
                    };
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let accepted: Vec<_> = accepted.iter().map(|count| count.load(SeqCst)).collect();
    assert_eq!(accepted, vec![1; ROUNDS]);
}
