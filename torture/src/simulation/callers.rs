//! Those who send each token where it should be good once: to several replicas at the same
//! time, again after errors, and again later, up to the end of its window and beyond.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use countersign_core::ports::{Act, AdminStore as _, NewAccount, NewPublicKey};
use countersign_core::{AccountId, AccountName, PrivateKey, Random as _, RequestSigner, UnixTime};
use countersign_store::MemoryStore;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use turmoil::net::TcpStream;

use super::clock::{HostClock, elapsed};
use super::host::{HTTP, Host};
use super::plan::{BETWEEN_TOKENS, REPLICAS, TOLERANCE, WARM_UP};
use super::random::Seeded;
use crate::ledger::{Attempt, Ledger, Outcome};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a caller waits before it tries again, at most.
const BEFORE_RETRY: Duration = Duration::from_millis(300);
/// How often a token is used again later.
const LATER_USES: usize = 3;
/// How long after it was made that happens at most: beyond its window at every replica.
const LATEST: Duration = TOLERANCE.saturating_add(Duration::from_secs(6));

/// The start of an Ed25519 key in PKCS #8 (RFC 8410 section 7), before the 32 bytes.
const ED25519: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// Someone with an account, on a host.
#[derive(Clone)]
pub(super) struct Caller {
    signer: RequestSigner,
    clock: Arc<HostClock>,
    random: Arc<Seeded>,
}

impl Caller {
    /// Draws a key, and makes it known.
    pub(super) async fn register(
        store: &MemoryStore,
        (host, seed): (Host, u64),
        clock: HostClock,
    ) -> Result<Self> {
        let random = Arc::new(Seeded::of(seed, &host.name()));
        let mut pkcs8 = [0; 48];
        let (start, secret) = pkcs8.split_at_mut(ED25519.len());
        start.copy_from_slice(&ED25519);
        random.fill(secret);
        let key = PrivateKey::from_pkcs8_der(&pkcs8)?;
        let name = AccountName::new(&host.name())?;
        let act = Act { actor: "simulation".into(), at: UnixTime::from_secs(0), from: None };
        let id = AccountId::draw(&*random);
        store.create_account(&act, NewAccount { id, name: name.clone(), groups: vec![] }).await?;
        let public = key.public_key().clone();
        let public = NewPublicKey { key: public, comment: String::new(), expires_at: None };
        store.add_public_key(&act, &name, public).await?;
        let signer = RequestSigner::new(name, key);
        Ok(Self { signer, clock: Arc::new(clock), random })
    }

    /// A fresh token.
    pub(super) fn authorization(&self) -> Result<Arc<str>> {
        Ok(self.signer.authorization(&*self.clock, &*self.random)?.into())
    }

    /// Makes so many tokens, and uses each.
    pub(super) async fn send_all(
        self,
        (tokens, is_promised): (u32, bool),
        book: Book,
    ) -> turmoil::Result {
        let start = Instant::now() + WARM_UP.saturating_sub(elapsed());
        let mut under_way = JoinSet::new();
        for number in 0..tokens {
            let jitter = self.random.span(Duration::ZERO, BETWEEN_TOKENS);
            sleep_until(start + BETWEEN_TOKENS * number + jitter).await;
            let errand = Errand {
                token: book.ledger.open(),
                authorization: self.authorization()?,
                is_promised,
                book: book.clone(),
            };
            under_way.spawn(errand.run(Itinerary::draw(&self.random)));
        }
        under_way.join_all().await;
        Ok(())
    }
}

/// Where attempts are entered.
#[derive(Clone)]
pub(super) struct Book {
    pub(super) ledger: Arc<Ledger>,
    /// The instant that stands for the simulation's beginning.
    pub(super) origin: Instant,
}

/// Where a token is taken.
struct Itinerary {
    /// At once; some twice.
    first: Vec<usize>,
    /// After each answer that is none.
    again: (usize, Duration),
    /// Later.
    later: BTreeMap<Duration, usize>,
}

impl Itinerary {
    fn draw(random: &Seeded) -> Self {
        let replica = || random.index(REPLICAS);
        let several = 1 + random.index(REPLICAS);
        let later = (0..LATER_USES).map(|_| (random.span(Duration::ZERO, LATEST), replica()));
        Self {
            first: (0..several).map(|_| replica()).collect(),
            again: (replica(), random.span(Duration::ZERO, BEFORE_RETRY)),
            later: later.collect(),
        }
    }
}

/// One token on its ways.
#[derive(Clone)]
struct Errand {
    token: usize,
    authorization: Arc<str>,
    is_promised: bool,
    book: Book,
}

impl Errand {
    async fn run(self, itinerary: Itinerary) {
        let made = Instant::now();
        let mut at_once = JoinSet::new();
        for replica in itinerary.first {
            at_once.spawn(self.clone().send(replica, self.is_promised));
        }
        let outcomes = at_once.join_all().await;
        for outcome in outcomes {
            if matches!(outcome, Outcome::Lost | Outcome::Unavailable) {
                let (replica, pause) = itinerary.again;
                sleep(pause).await;
                self.clone().send(replica, false).await;
            }
        }
        for (after, replica) in itinerary.later {
            sleep_until(made + after).await;
            self.clone().send(replica, false).await;
        }
    }

    async fn send(self, replica: usize, is_promised: bool) -> Outcome {
        let began = self.book.now();
        let outcome = ask(replica, &self.authorization).await;
        let attempt = Attempt { replica, is_promised, began, ended: self.book.now(), outcome };
        self.book.ledger.enter(self.token, attempt);
        outcome
    }
}

impl Book {
    fn now(&self) -> Instant {
        self.origin + elapsed()
    }
}

/// What a replica says to a token.
pub(super) async fn ask(replica: usize, authorization: &str) -> Outcome {
    match timeout(PATIENCE, answer(replica, authorization)).await {
        Ok(Ok(StatusCode::OK)) => Outcome::Accepted,
        Ok(Ok(StatusCode::UNAUTHORIZED)) => Outcome::Refused,
        Ok(Ok(StatusCode::SERVICE_UNAVAILABLE)) => Outcome::Unavailable,
        Ok(Ok(_)) => Outcome::Unexpected,
        Ok(Err(_)) | Err(_) => Outcome::Lost,
    }
}

async fn answer(replica: usize, authorization: &str) -> Result<StatusCode> {
    let stream = TcpStream::connect((Host::Replica(replica).name(), HTTP)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get("/forward-auth").header(AUTHORIZATION, authorization);
    let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    Ok(answer.status())
}
