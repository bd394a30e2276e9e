//! Signs access tokens, where that takes long on threads of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use countersign_core::{AccessTokenPolicy, Grant, IssueError, KeyRing, KeyType, UnixTime};
use tokio::sync::oneshot;

use super::TokenError;

/// How many tokens may wait for their signatures; more are refused.
const QUEUE: usize = 4096;
/// How much lower the priority of signing threads is, where threads have one of their
/// own: whoever asks whether a token is good waits for none to be signed, and signing
/// still gets a quarter of a processor that others want too.
const NICENESS: i32 = 5;

/// Signs with the active key of a ring.
///
/// An RSA signature takes most of a millisecond: dozens of tokens could be validated
/// meanwhile. So those are made on threads of their own, of which there are fewer than
/// there are processors. They start with the first such signature.
#[derive(Default)]
pub(super) struct Signer {
    queue: OnceLock<SyncSender<Order>>,
}

/// A token to be signed, and where it goes. Nobody may be waiting for it any more.
struct Order {
    policy: AccessTokenPolicy,
    ring: Arc<KeyRing>,
    grant: Grant,
    now: UnixTime,
    done: oneshot::Sender<Result<String, TokenError>>,
}

impl Signer {
    pub(super) async fn sign(
        &self,
        policy: &AccessTokenPolicy,
        ring: Arc<KeyRing>,
        grant: Grant,
        now: UnixTime,
    ) -> Result<String, TokenError> {
        if ring.active().is_none_or(|key| key.algorithm.key_type() != KeyType::Rsa) {
            return issue(policy, &ring, &grant, now);
        }
        let (done, signed) = oneshot::channel();
        let order = Order { policy: policy.clone(), ring, grant, now, done };
        let refused = |error| match error {
            TrySendError::Full(_) => "too many tokens are waiting for their signatures",
            TrySendError::Disconnected(_) => "there are no threads to sign on",
        };
        let queue = self.queue.get_or_init(start_threads);
        queue
            .try_send(order)
            .map_err(|error| TokenError::Unavailable(refused(error).to_owned()))?;
        let unanswered =
            |_| TokenError::Unavailable("the signing thread gave no answer".to_owned());
        signed.await.map_err(unanswered)?
    }
}

fn issue(
    policy: &AccessTokenPolicy,
    ring: &KeyRing,
    grant: &Grant,
    now: UnixTime,
) -> Result<String, TokenError> {
    let Some(key) = ring.active() else {
        return Err(TokenError::Unavailable("there is no key to sign with".to_owned()));
    };
    // That a token cannot be issued is nobody's fault who asks for one.
    let unavailable = |error: IssueError| TokenError::Unavailable(error.to_string());
    policy.issue(key, grant, now).map_err(unavailable)
}

/// They end when the queue is dropped.
fn start_threads() -> SyncSender<Order> {
    let (queue, orders) = sync_channel(QUEUE);
    let orders = Arc::new(Mutex::new(orders));
    let processors = thread::available_parallelism().map_or(1, usize::from);
    for _ in 0..(processors - 1).max(1) {
        let orders = Arc::clone(&orders);
        let started = thread::Builder::new()
            .name("countersign-signing".to_owned())
            .spawn(move || fulfil(&orders));
        if let Err(error) = started {
            tracing::error!(%error, "a thread to sign on could not be started");
        }
    }
    queue
}

fn fulfil(orders: &Mutex<Receiver<Order>>) {
    step_back();
    let next = || orders.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(Order { policy, ring, grant, now, done }) = next() {
        if done.is_closed() {
            continue;
        }
        // A defect costs one token, not all later ones.
        let signing = AssertUnwindSafe(|| issue(&policy, &ring, &grant, now));
        if let Ok(signed) = catch_unwind(signing) {
            let _ = done.send(signed);
        }
    }
}

/// Lowers the priority of this thread; elsewhere than on Linux it is the process's.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the priority of a signing thread could not be lowered");
    }
}
