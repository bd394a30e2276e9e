//! A circuit breaker around a guard that is told how to behave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::ports::{GuardError, ReplayGuard, Spend};
use countersign_store::replay::{BreakerLimits, CircuitBreaker};
use tokio::sync::watch;

use crate::support::{NOON, account, spend};

const LIMITS: BreakerLimits = BreakerLimits { failures: 3, pause: Duration::from_secs(1) };

/// Answers what it is told, once it is told anything, and counts who asks.
struct Told {
    answer: watch::Sender<Option<Result<(), GuardError>>>,
    asked: AtomicUsize,
}

#[async_trait]
impl ReplayGuard for Told {
    async fn spend(&self, _: Spend<'_>) -> Result<(), GuardError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answer = self.answer.subscribe();
        let settled = answer.wait_for(Option::is_some).await.unwrap();
        settled.clone().unwrap()
    }
}

fn circuit(answer: Option<Result<(), GuardError>>) -> (Arc<Told>, Arc<CircuitBreaker>) {
    let told = Told { answer: watch::Sender::new(answer), asked: AtomicUsize::new(0) };
    let told = Arc::new(told);
    let circuit = CircuitBreaker::around(Arc::clone(&told) as _, LIMITS);
    (told, Arc::new(circuit))
}

fn gone() -> GuardError {
    GuardError::Unavailable("gone".to_owned())
}

async fn spent(circuit: &CircuitBreaker) -> Result<(), GuardError> {
    circuit.spend(spend(&account("a"), 1, NOON)).await
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_waits_out_what_it_may_have_forgotten_does_not_fail() {
    let waits = || GuardError::MayHaveBeenUsed("it is new".to_owned());
    let (told, circuit) = circuit(Some(Err(waits())));
    for _ in 0..100 {
        assert_eq!(spent(&circuit).await, Err(waits()));
    }
    assert_eq!(told.asked.load(Ordering::SeqCst), 100);
    assert_eq!(circuit.check().await, Ok(()));
    // Nor does it hide failures among which it is said.
    for answer in [gone(), waits(), gone(), waits(), gone()] {
        told.answer.send_replace(Some(Err(answer)));
        assert!(spent(&circuit).await.is_err());
    }
    assert_eq!(circuit.check().await, Err(gone()));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_asked_about_once_in_a_while() {
    let (told, circuit) = circuit(Some(Err(gone())));
    for _ in 0..100 {
        assert_eq!(spent(&circuit).await, Err(gone()));
    }
    assert_eq!(told.asked.load(Ordering::SeqCst), 3);
    assert_eq!(circuit.check().await, Err(gone()));

    tokio::time::advance(LIMITS.pause).await;
    assert_eq!(circuit.check().await, Ok(()), "somebody may try");
    for _ in 0..100 {
        assert_eq!(spent(&circuit).await, Err(gone()));
    }
    assert_eq!(told.asked.load(Ordering::SeqCst), 4);

    told.answer.send_replace(Some(Ok(())));
    tokio::time::advance(LIMITS.pause).await;
    for _ in 0..100 {
        assert_eq!(spent(&circuit).await, Ok(()));
    }
}

/// Whoever sends one token again and again would else keep everybody waiting for a storage
/// that is gone.
#[tokio::test(start_paused = true)]
async fn refusals_do_not_speak_for_the_storage() {
    let (told, circuit) = circuit(None);
    for answer in [gone(), GuardError::Replayed, gone(), GuardError::Replayed, gone()] {
        told.answer.send_replace(Some(Err(answer)));
        assert!(spent(&circuit).await.is_err());
    }
    assert_eq!(circuit.check().await, Err(gone()));
    tokio::time::advance(LIMITS.pause).await;
    told.answer.send_replace(Some(Err(GuardError::Replayed)));
    assert_eq!(spent(&circuit).await, Err(GuardError::Replayed));
    told.answer.send_replace(Some(Err(gone())));
    assert_eq!(spent(&circuit).await, Err(gone()));
    assert_eq!(circuit.check().await, Err(gone()), "one failure is enough");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_no_failure() {
    for refusal in
        [GuardError::Replayed, GuardError::OutsideWindow, GuardError::Full, GuardError::ShareUsedUp]
    {
        let (told, circuit) = circuit(Some(Err(refusal.clone())));
        for _ in 0..10 {
            assert_eq!(spent(&circuit).await, Err(refusal.clone()));
        }
        assert_eq!(told.asked.load(Ordering::SeqCst), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_goes_away_lets_in_another() {
    let (told, circuit) = circuit(Some(Err(gone())));
    for _ in 0..3 {
        assert_eq!(spent(&circuit).await, Err(gone()));
    }
    tokio::time::advance(LIMITS.pause).await;
    told.answer.send_replace(None);
    let probe = Arc::clone(&circuit);
    let probe = tokio::spawn(async move { spent(&probe).await });
    tokio::task::yield_now().await;
    assert_eq!(told.asked.load(Ordering::SeqCst), 4);
    assert_eq!(spent(&circuit).await, Err(gone()), "one at a time");
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    told.answer.send_replace(Some(Ok(())));
    assert_eq!(spent(&circuit).await, Ok(()));
}
