//! The wheel: what it refuses, what it forgets and when, and who may fill it.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{FixedRandom, ManualClock, NOON, TOLERANCE, account, spend};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::UnverifiedToken;
use countersign_core::ports::{GuardError, ReplayKey, Spend};
use countersign_store::replay::conformance::{self, Candidate};
use countersign_store::replay::{ReplayLimits, ReplayWheel};

const SECOND: Duration = Duration::from_secs(1);
const MICROSECOND: Duration = Duration::from_micros(1);
/// A use of now is remembered for the tolerance and 10 seconds; then its slot of
/// 5 seconds must be over.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(20 + 10 + 5);

fn wheel(limits: ReplayLimits) -> (Arc<ReplayWheel>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(NOON));
    (Arc::new(ReplayWheel::new(limits, clock.clone(), &FixedRandom)), clock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn accepts_one_of_64_at_once_in_a_thousand_rounds() {
    let (guard, _clock) = wheel(ReplayLimits::default());
    let candidate = Candidate { guard, now: NOON, account: account("racer"), run: 1 };
    conformance::check(&candidate, 1000).await;
}

#[test]
fn knows_claims_by_value_whatever_their_spelling() {
    let (wheel, _clock) = wheel(ReplayLimits::default());
    let key_of = |claims: &str| -> ReplayKey {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let token = format!(
            "{}.{}.{}",
            part(br#"{"alg":"EdDSA"}"#),
            part(claims.as_bytes()),
            part(&[7; 64])
        );
        ReplayKey::of(UnverifiedToken::parse(&token).unwrap().unverified_claims())
    };
    let name = account("a");
    let record = |claims: &str| {
        let key = key_of(claims);
        wheel.record(&Spend { key, account: &name, time: NOON, tolerance: TOLERANCE })
    };
    assert_eq!(record(r#"{"username":"a","time":1800000000,"nonce":2}"#), Ok(()));
    for same in [
        r#"{"username":"a","time":1800000000,"nonce":2}"#,
        r#"{"nonce":2.0,"time":1800000000.0,"username":"\u0061"}"#,
        r#"{"username":"a","time":18e8,"nonce":20e-1,"iss":"elsewhere"}"#,
    ] {
        assert_eq!(record(same), Err(GuardError::Replayed), "{same}");
    }
    for other in [
        r#"{"username":"b","time":1800000000,"nonce":2}"#,
        r#"{"username":"a","time":1800000000.5,"nonce":2}"#,
        r#"{"username":"a","time":1800000000,"nonce":"2"}"#,
    ] {
        assert_eq!(record(other), Ok(()), "{other}");
    }
}

#[test]
fn forgets_by_the_slot_and_not_before_time() {
    let (wheel, clock) = wheel(ReplayLimits::default());
    let name = account("a");
    assert_eq!(wheel.record(&spend(&name, 1, NOON)), Ok(()));
    clock.set(spend(&name, 1, NOON).remember_until());
    assert_eq!((wheel.sweep(), wheel.len()), (0, 1), "the last instant to remember it");
    clock.advance(MICROSECOND);
    assert_eq!((wheel.sweep(), wheel.len()), (1, 0));
    // The wheel's own size, the total's sketch and nothing of a slot.
    assert!(wheel.memory_bytes() < 64 << 10, "{}", wheel.memory_bytes());
}

#[test]
fn a_token_of_the_future_is_remembered_from_its_own_time() {
    let (wheel, clock) = wheel(ReplayLimits::default());
    let name = account("a");
    let ahead = spend(&name, 1, NOON + TOLERANCE);
    assert_eq!(wheel.record(&ahead), Ok(()));
    for _ in 0..40 {
        clock.advance(SECOND);
        wheel.sweep();
        assert_eq!(wheel.record(&ahead), Err(GuardError::Replayed));
    }
    clock.advance(SECOND);
    assert_eq!(wheel.record(&ahead), Err(GuardError::OutsideWindow));
}

#[test]
fn a_clock_that_jumps_ahead_and_back_brings_no_token_back() {
    let (wheel, clock) = wheel(ReplayLimits::default());
    let name = account("a");
    assert_eq!(wheel.record(&spend(&name, 1, NOON)), Ok(()));
    clock.advance(Duration::from_hours(1));
    assert_eq!(wheel.record(&spend(&name, 2, NOON + 3600 * SECOND)), Ok(()));
    assert_eq!(wheel.len(), 1, "the slot of an hour ago is gone");

    clock.set(NOON);
    assert_eq!(wheel.record(&spend(&name, 1, NOON)), Err(GuardError::OutsideWindow));
    assert_eq!(wheel.record(&spend(&name, 3, NOON - 7 * SECOND)), Err(GuardError::OutsideWindow));
    assert_eq!(wheel.record(&spend(&name, 4, NOON + 7 * SECOND)), Ok(()), "a later slot is open");
    assert_eq!(wheel.record(&spend(&name, 4, NOON + 7 * SECOND)), Err(GuardError::Replayed));
}

#[test]
fn a_clock_that_steps_back_before_anything_was_dropped_hinders_nobody() {
    let (wheel, clock) = wheel(ReplayLimits::default());
    let name = account("a");
    assert_eq!(wheel.record(&spend(&name, 1, NOON)), Ok(()));
    clock.set(NOON - 600 * SECOND);
    let back = NOON - 610 * SECOND;
    assert_eq!(wheel.record(&spend(&name, 2, back)), Ok(()));
    assert_eq!(wheel.record(&spend(&name, 2, back)), Err(GuardError::Replayed));
    clock.set(NOON);
    assert_eq!(wheel.record(&spend(&name, 1, NOON)), Err(GuardError::Replayed));
}

#[test]
fn a_use_dropped_under_a_short_tolerance_is_not_accepted_under_a_long_one() {
    let (wheel, clock) = wheel(ReplayLimits::default());
    let name = account("a");
    let short = spend(&name, 1, NOON);
    assert_eq!(wheel.record(&short), Ok(()));
    clock.advance(FORGOTTEN_AFTER);
    assert_eq!(wheel.sweep(), 1);
    let long = Spend { tolerance: Duration::from_mins(10), ..short };
    assert_eq!(wheel.record(&long), Err(GuardError::OutsideWindow));
}

#[test]
fn full_refuses_and_forgets_nothing_live() {
    let limits = ReplayLimits { share: 100, ..ReplayLimits::with_capacity(100) };
    let (wheel, clock) = wheel(limits);
    let name = account("a");
    for number in 0..100 {
        assert_eq!(wheel.record(&spend(&name, number, NOON)), Ok(()));
    }
    assert_eq!(wheel.record(&spend(&name, 100, NOON)), Err(GuardError::Full));
    for number in 0..100 {
        let again = wheel.record(&spend(&name, number, NOON));
        assert_eq!(again, Err(GuardError::Replayed), "use {number} was pushed out");
    }
    clock.advance(FORGOTTEN_AFTER);
    let now = NOON + FORGOTTEN_AFTER;
    assert_eq!(wheel.record(&spend(&name, 100, now)), Ok(()), "full of expired uses is not full");
    assert_eq!(wheel.len(), 1);
}

#[test]
fn an_account_at_its_share_hinders_no_other() {
    let (wheel, clock) = wheel(ReplayLimits::with_capacity(16_000));
    let (greedy, modest) = (account("greedy"), account("modest"));
    let outcomes = (0..2000).map(|number| wheel.record(&spend(&greedy, number, NOON)));
    assert_eq!(outcomes.flatten().count(), 1000);
    assert_eq!(wheel.record(&spend(&greedy, 5000, NOON)), Err(GuardError::ShareUsedUp));
    assert_eq!(wheel.record(&spend(&greedy, 1, NOON)), Err(GuardError::Replayed));
    for number in 10_000..10_900 {
        assert_eq!(wheel.record(&spend(&modest, number, NOON)), Ok(()));
    }
    // Shares come free with the slots, and refused uses have counted for nothing.
    clock.advance(FORGOTTEN_AFTER);
    let now = NOON + FORGOTTEN_AFTER;
    let outcomes = (0..2000).map(|number| wheel.record(&spend(&greedy, 20_000 + number, now)));
    assert_eq!(outcomes.flatten().count(), 1000);
}

#[tokio::test(start_paused = true)]
async fn an_idle_wheel_is_swept() {
    let (wheel, clock) = wheel(ReplayLimits::default());
    let name = account("a");
    let sweeper = wheel.sweep_every(SECOND);
    assert_eq!(wheel.record(&spend(&name, 1, NOON)), Ok(()));
    clock.advance(FORGOTTEN_AFTER);
    // The runtime's clock is paused: it moves on when all tasks wait.
    tokio::time::sleep(2 * SECOND).await;
    assert!(wheel.is_empty());
    drop(wheel);
    sweeper.await.unwrap();
}
