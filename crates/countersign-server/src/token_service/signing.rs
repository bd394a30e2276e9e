//! Signs access tokens, where that takes long on threads of its own.

use std::iter::once;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::thread;

use countersign_core::{AccessTokenPolicy, Grant, IssueError, KeyRing, KeyType, UnixTime};
use flume::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::TokenError;

/// How many tokens may wait for their signatures; more are refused.
const QUEUE: usize = 4096;
/// How many tokens are handed over together while others wait. Each time the runtime has
/// to be woken, which takes a good part of a signature's time.
const BATCH: usize = 16;
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
    orders: OnceLock<flume::Sender<Order>>,
}

/// A token to be signed, and where it goes. Nobody may be waiting for it any more.
struct Order {
    policy: AccessTokenPolicy,
    ring: Arc<KeyRing>,
    grant: Grant,
    now: UnixTime,
    done: oneshot::Sender<Result<String, TokenError>>,
}

/// What came of an order.
struct Delivery {
    token: Result<String, TokenError>,
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
        let orders = self.orders.get_or_init(start);
        orders
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

/// Starts the threads and the task that hands over what they signed. All end when nobody
/// orders any more.
fn start() -> flume::Sender<Order> {
    let (sender, orders) = flume::bounded(QUEUE);
    let (signed, deliveries) = mpsc::unbounded_channel();
    tokio::spawn(hand_over(deliveries));
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let threads = (processors - 1).max(1);
    for _ in 0..threads {
        let (orders, signed) = (orders.clone(), signed.clone());
        let started = thread::Builder::new()
            .name("countersign-signing".to_owned())
            .spawn(move || fulfil(&orders, threads, &signed));
        if let Err(error) = started {
            tracing::error!(%error, "a thread to sign on could not be started");
        }
    }
    sender
}

fn fulfil(
    orders: &flume::Receiver<Order>,
    threads: usize,
    signed: &mpsc::UnboundedSender<Vec<Delivery>>,
) {
    step_back();
    while let Ok(first) = orders.recv() {
        let share = (orders.len() / threads).min(BATCH - 1);
        let batch = once(first).chain(orders.try_iter().take(share));
        if let Err(mpsc::error::SendError(batch)) =
            signed.send(batch.filter_map(Order::fulfil).collect())
        {
            // The runtime that the first caller was on is gone.
            batch.into_iter().for_each(Delivery::hand_over);
        }
    }
}

/// Hands over tokens from within the runtime, where waking who waits for one costs little.
async fn hand_over(mut deliveries: mpsc::UnboundedReceiver<Vec<Delivery>>) {
    while let Some(batch) = deliveries.recv().await {
        batch.into_iter().for_each(Delivery::hand_over);
    }
}

impl Order {
    /// Nothing if nobody waits for it, and if a defect made it panic: that costs one
    /// token, not all later ones.
    fn fulfil(self) -> Option<Delivery> {
        let Self { policy, ring, grant, now, done } = self;
        if done.is_closed() {
            return None;
        }
        let signing = AssertUnwindSafe(|| issue(&policy, &ring, &grant, now));
        catch_unwind(signing).ok().map(|token| Delivery { token, done })
    }
}

impl Delivery {
    fn hand_over(self) {
        let _ = self.done.send(self.token);
    }
}

/// Lowers the priority of this thread; elsewhere than on Linux it is the process's.
fn step_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the priority of a signing thread could not be lowered");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_core::{AccountId, Algorithm, KeyKind, PrivateKey, RsaBits, SigningKey};
    use futures_util::future::join_all;
    use tokio::runtime::Builder;
    use uuid::Uuid;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn ring() -> Arc<KeyRing> {
        let key = PrivateKey::generate(KeyKind::Rsa(RsaBits::B2048)).unwrap();
        let key = SigningKey::new(key, Algorithm::Rs256, NOW);
        let key = SigningKey { activated_at: Some(NOW), ..key };
        Arc::new(KeyRing::new(vec![key]).unwrap())
    }

    async fn sign(signer: &Signer, ring: &Arc<KeyRing>, number: u128) -> Uuid {
        let (policy, id) = (AccessTokenPolicy::default(), Uuid::from_u128(number));
        let grant =
            Grant { account: AccountId(id), identifier: id, groups: [].into(), token_id: id };
        let token = signer.sign(&policy, Arc::clone(ring), grant, NOW).await.unwrap();
        policy.verify(&token, ring, NOW).unwrap().claims().token_id
    }

    #[tokio::test]
    async fn each_gets_its_own_token_however_many_wait() {
        let (signer, ring) = (Signer::default(), ring());
        let numbers = 0..3 * BATCH as u128 + 1;
        let tokens = join_all(numbers.clone().map(|number| sign(&signer, &ring, number))).await;
        assert!(tokens.into_iter().eq(numbers.map(Uuid::from_u128)));
    }

    #[test]
    fn signing_goes_on_when_the_first_runtime_is_gone() {
        let (signer, ring) = (Signer::default(), ring());
        for number in 0..2 {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let token = runtime.block_on(async {
                let patience = Duration::from_mins(1);
                tokio::time::timeout(patience, sign(&signer, &ring, number)).await
            });
            assert_eq!(token.unwrap(), Uuid::from_u128(number));
        }
    }
}
