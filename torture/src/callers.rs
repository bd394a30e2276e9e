//! Those who send each token where it should be good once: to every replica at the same time,
//! to one of them twice, and to one of them again a while later.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use countersign_core::KeyKind;
use interop::{Caller, Request, eventually};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::installation::Installation;
use crate::ledger::{Attempt, Ledger, Outcome};
use crate::plan::{Plan, TOLERANCE};

/// How many accounts there are: few enough that each has many uses at a time.
const ACCOUNTS: usize = 10;
/// How many tokens are under way at once. Where the machine cannot keep the plan's pace, callers
/// that went on at it would pile up, and nothing would recover from anything.
const AT_ONCE: usize = 1_000;
/// How long an answer is waited for: longer than a server lets itself take for one.
const PATIENCE: Duration = Duration::from_secs(15);

/// What an account proves itself with that has an access token.
const API_KEY: &str = "an API key of the torture's own";
const IDENTIFIER: &str = "4b1d2a0e-7c3f-4b43-9d0c-0f5f6a1c2e3d";

/// Accounts with their keys, and the access token of another.
pub(crate) struct Callers {
    signers: Vec<Caller>,
    access_token: String,
}

impl Callers {
    /// Makes them known to the installation.
    pub(crate) async fn register(installation: &Installation) -> Result<Self> {
        let server = installation.replicas()[0].server().await;
        // A guard that was never asked before first lets the window pass.
        let ready = async || server.run(&["account", "list"]).ok();
        eventually("calls that are accepted", ready).await?;
        let register = |number| {
            let caller = Caller::new(&format!("caller-{number}"), KeyKind::Ed25519)?;
            server.account(caller.account(), &[caller.public_key()])?;
            Ok(caller)
        };
        let signers = (0..ACCOUNTS).map(register).collect::<Result<_>>()?;
        let access_token = server.access_token(API_KEY, IDENTIFIER).await?;
        Ok(Self { signers, access_token: format!("Bearer {access_token}") })
    }

    /// A fresh token of one of them.
    pub(crate) fn token(&self, number: usize) -> Result<String> {
        self.signers[number % ACCOUNTS].authorization()
    }

    /// What is good for any number of uses, without anybody who remembers them.
    pub(crate) fn access_token(&self) -> &str {
        &self.access_token
    }

    /// Makes all tokens of the plan, at an even pace but never more than are wanted, and waits for
    /// every attempt with them.
    pub(crate) async fn send_all(
        &self,
        plan: &Plan,
        installation: &Arc<Installation>,
        (ledger, mut wanted): (&Arc<Ledger>, watch::Receiver<u32>),
    ) -> Result<()> {
        let mut random = ChaCha8Rng::seed_from_u64(plan.seed ^ u64::MAX);
        let mut under_way = JoinSet::new();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut ticks = interval(Duration::from_secs(1) / plan.engine.pace());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for number in 0..plan.tokens {
            wanted.wait_for(|wanted| number < *wanted).await?;
            ticks.tick().await;
            let place = Arc::clone(&places).acquire_owned().await?;
            let token = ledger.open();
            let sender = Sender {
                installation: Arc::clone(installation),
                ledger: Arc::clone(ledger),
                token,
                authorization: self.token(token)?.into(),
            };
            let twice = random.next_u32() as usize % plan.engine.replicas();
            let late = random.next_u32() as usize % plan.engine.replicas();
            let delay = random_part(&mut random, TOLERANCE);
            under_way.spawn(async move {
                sender.clone().send_everywhere(twice).await;
                drop(place);
                sleep(delay).await;
                sender.send(late, false).await;
            });
            while under_way.try_join_next().is_some() {}
        }
        while let Some(sent) = under_way.join_next().await {
            sent?;
        }
        Ok(())
    }
}

fn random_part(random: &mut ChaCha8Rng, of: Duration) -> Duration {
    of.mul_f64(f64::from(random.next_u32()) / f64::from(u32::MAX))
}

/// One token on its ways.
#[derive(Clone)]
struct Sender {
    installation: Arc<Installation>,
    ledger: Arc<Ledger>,
    token: usize,
    authorization: Arc<str>,
}

impl Sender {
    async fn send_everywhere(self, twice: usize) {
        let replicas = 0..self.installation.replicas().len();
        let mut at_once = JoinSet::new();
        for replica in replicas.chain([twice]) {
            at_once.spawn(self.clone().send(replica, true));
        }
        at_once.join_all().await;
    }

    async fn send(self, replica: usize, is_promised: bool) {
        let began = Instant::now();
        let outcome = ask(&self.installation, replica, &self.authorization).await;
        let attempt = Attempt { replica, is_promised, began, ended: Instant::now(), outcome };
        self.ledger.enter(self.token, attempt);
    }
}

/// What a replica says to a token.
pub(crate) async fn ask(
    installation: &Installation,
    replica: usize,
    authorization: &str,
) -> Outcome {
    let address = installation.replicas()[replica].network().address();
    let request = Request::get("/forward-auth").authorization(authorization);
    match timeout(PATIENCE, request.send(address)).await {
        Ok(Ok(answer)) => match answer.status {
            200 => Outcome::Accepted,
            401 => Outcome::Refused,
            503 => Outcome::Unavailable,
            _ => Outcome::Unexpected,
        },
        Ok(Err(_)) | Err(_) => Outcome::Lost,
    }
}
