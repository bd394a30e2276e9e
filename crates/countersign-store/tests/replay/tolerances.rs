//! Servers of one memory whose tolerances differ.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::Clock as _;
use countersign_core::ports::{GuardError, ReplayGuard, Spend};
use countersign_store::replay::SharedTolerance::{self, Agreed, Changed};
use countersign_testbed::{Redis, fresh_database};
use tempfile::TempDir;

use crate::outages::{REACH, is_unavailable, until};
use crate::support::{ManualClock, NOON, TOLERANCE, account, spend};
use crate::{postgres, redis};

const WIDE: Duration = Duration::from_hours(1);
const A_MOMENT: Duration = Duration::from_micros(1);

#[tokio::test]
async fn postgresql_remembers_for_one_tolerance_until_it_is_told_another() {
    let database = fresh_database().await.unwrap();
    check(async |tolerance, clock| {
        let skew = Duration::MAX;
        let guard = postgres::start_with((tolerance, skew), database.url(), clock).await;
        guard.map_err(|error| error.to_string())
    })
    .await;
}

#[tokio::test]
async fn redis_remembers_for_one_tolerance_until_it_is_told_another() {
    let directory = TempDir::new().unwrap();
    let engine = Redis::start(directory.path(), &[]).unwrap();
    check(async |tolerance, clock| {
        let (skew, server) = (Duration::MAX, redis::at(&engine.url()));
        let guard = redis::start_with((tolerance, skew), server, clock).await;
        guard.map_err(|error| error.to_string())
    })
    .await;
}

async fn check<G: ReplayGuard>(
    start: impl AsyncFn(SharedTolerance, &Arc<ManualClock>) -> Result<Arc<G>, String>,
) {
    let clock = Arc::new(ManualClock::at(NOON));
    let start = async |tolerance| start(tolerance, &clock).await;
    let spent = async |guard: &Arc<G>, number, tolerance| {
        let (account, now) = (account("a"), clock.now());
        guard.spend(Spend { tolerance, ..spend(&account, number, now) }).await
    };
    let usual = start(Agreed(TOLERANCE)).await.unwrap();
    clock.advance(Duration::from_mins(1));

    // One that was mistyped harms nobody.
    let Err(refused) = start(Agreed(WIDE)).await else { panic!("accepted") };
    assert!(refused.contains("tolerance is 3600s") && refused.contains("`change_tolerance`"));
    assert_eq!(spent(&usual, 1, TOLERANCE).await, Ok(()));
    start(Agreed(TOLERANCE / 2)).await.unwrap();
    assert_eq!(spent(&usual, 2, TOLERANCE).await, Ok(()));

    // Nobody has accepted more than the usual tolerance, so no more than that is waited for.
    let wide = start(Changed(WIDE)).await.unwrap();
    assert!(is_unavailable(&spent(&wide, 3, WIDE).await));
    clock.advance(REACH + A_MOMENT);
    assert_eq!(spent(&wide, 4, WIDE).await, Ok(()));
    until("it knows", async || spent(&usual, 4, TOLERANCE).await == Err(GuardError::Replayed))
        .await;

    // Now they have, and what is waited for is not forgotten with a second change.
    start(Changed(TOLERANCE)).await.unwrap();
    start(Changed(TOLERANCE * 2)).await.unwrap();
    let narrow = start(Changed(TOLERANCE)).await.unwrap();
    until("it is refused", async || {
        wide.check().await.is_err_and(|error| error.to_string().contains("`change_tolerance`"))
    })
    .await;
    clock.advance(REACH + A_MOMENT);
    assert!(is_unavailable(&spent(&narrow, 5, TOLERANCE).await));
    clock.advance(WIDE);
    assert_eq!(spent(&narrow, 6, TOLERANCE).await, Ok(()));
    assert!(is_unavailable(&spent(&wide, 7, WIDE).await));
}
