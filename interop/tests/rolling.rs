//! Two replicas of the binary, upgraded in turns under load, with rotations of the signing
//! key in between: callers notice nothing.

#[path = "rolling/balancer.rs"]
mod balancer;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::KeyKind;
use countersign_testbed::fresh_database;
use interop::{Caller, Countersign, eventually};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;

use balancer::Balancer;

/// How often each replica is upgraded.
const ROUNDS: usize = 2;
const SIGNING: usize = 4;
const BEARING: usize = 2;
const API_KEY: &str = "the key of a robot";
const IDENTIFIER: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
/// The balancer asks a hundred times in that while whether a replica is ready.
const OPTIONS: [&str; 3] = ["--replay-guard=database", "--drain-delay=3s", "--tolerance=10s"];

/// What callers were told, all of it right.
#[derive(Default)]
struct Told {
    signed: AtomicUsize,
    replays: AtomicUsize,
    bearer: AtomicUsize,
    kids: std::sync::Mutex<HashSet<String>>,
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_that_replicas_are_upgraded_in_turns() -> Result<()> {
    let database = fresh_database().await?;
    let mut replicas = two_replicas(database.url()).await?;
    let callers =
        (0..SIGNING).map(|number| Caller::new(&format!("caller-{number}"), KeyKind::P256));
    let callers = callers.collect::<Result<Vec<_>>>()?;
    for caller in &callers {
        replicas[0].account(caller.account(), &[caller.public_key()])?;
    }
    replicas[0].access_token(API_KEY, IDENTIFIER).await?;

    let balancer = Arc::new(Balancer::between(&replicas));
    let told = Arc::new(Told::default());
    upgrade_under_load((&mut replicas, callers), (&balancer, &told), database.url())
        .await
        .with_context(|| {
            format!("the replicas wrote:\n{}\n{}", replicas[0].log(), replicas[1].log())
        })?;
    let kids = told.kids.lock().expect("a lock").len();
    println!(
        "{} signed requests, {} replays, {} with access tokens of {kids} keys, {} sent again \
         as nobody listened: no wrong answer",
        told.signed.load(Ordering::Relaxed),
        told.replays.load(Ordering::Relaxed),
        told.bearer.load(Ordering::Relaxed),
        balancer.sent_again(),
    );
    ensure!(kids == 2 * ROUNDS + 1, "each rotation makes another key sign: {kids}");
    Ok(())
}

async fn upgrade_under_load(
    (replicas, callers): (&mut [Countersign; 2], Vec<Caller>),
    (balancer, told): (&Arc<Balancer>, &Arc<Told>),
    database: &str,
) -> Result<()> {
    let is_over = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for caller in callers {
        let (balancer, told, is_over) = (balancer.clone(), told.clone(), is_over.clone());
        load.spawn(async move { sign(&caller, &balancer, (&told, &is_over)).await });
    }
    for _ in 0..BEARING {
        let (balancer, told, is_over) = (balancer.clone(), told.clone(), is_over.clone());
        load.spawn(async move { bear(&balancer, (&told, &is_over)).await });
    }
    for _ in 0..ROUNDS {
        for number in 0..replicas.len() {
            more_of_everything(told, &mut load).await?;
            replicas[number].upgrade().await?;
            balancer.moved(number, replicas[number].url());
            more_of_everything(told, &mut load).await?;
            // The first is the one that made the administrator's key.
            rotate(database, &replicas[0]).await?;
        }
    }
    more_of_everything(told, &mut load).await?;
    is_over.store(true, Ordering::Relaxed);
    while let Some(ended) = load.join_next().await {
        ended??;
    }
    Ok(())
}

async fn two_replicas(database: &str) -> Result<[Countersign; 2]> {
    let first = Countersign::start_on_postgres(database, &OPTIONS).await?;
    let key = format!("--encryption-key-file={}", first.encryption_key().display());
    let options = [&OPTIONS[..], &[&key]].concat();
    let second = Countersign::start_on_postgres(database, &options).await?;
    // A guard that was never asked before first lets the window pass, at each of them.
    let accepts = async || first.run(&["account", "list"]).ok();
    eventually("calls that are accepted", accepts).await?;
    let waiting = Caller::new("waiting", KeyKind::P256)?;
    first.account(waiting.account(), &[waiting.public_key()])?;
    let accepts = async || {
        let asked = second.asks(&waiting.authorization().ok()?).await.ok()?;
        (asked.0 == 200).then_some(())
    };
    eventually("callers that are accepted", accepts).await?;
    Ok([first, second])
}

/// Lets the next key sign, as if it had been published long enough ago.
async fn rotate(database: &str, replica: &Countersign) -> Result<()> {
    let mut connection = PgConnection::connect(database).await?;
    let earlier = "UPDATE countersign_signing_keys SET published_at = published_at - 1000000000";
    sqlx::query(earlier).execute(&mut connection).await?;
    replica.run(&["signing-key", "rotate"])?;
    Ok(())
}

/// Waits until callers of each kind were answered some more, or one of them was wrongly.
async fn more_of_everything(told: &Told, load: &mut JoinSet<Result<()>>) -> Result<()> {
    let counts = || [&told.signed, &told.replays, &told.bearer].map(|n| n.load(Ordering::Relaxed));
    let before = counts();
    let more = async || {
        let is_more = counts().iter().zip(&before).all(|(now, before)| *now >= before + 20);
        is_more.then_some(())
    };
    tokio::select! {
        more = eventually("answers to callers of each kind", more) => more,
        ended = load.join_next() => {
            ended.context("no load")???;
            anyhow::bail!("a caller gave up")
        }
    }
}

async fn sign(
    caller: &Caller,
    balancer: &Balancer,
    (told, over): (&Told, &AtomicBool),
) -> Result<()> {
    while !over.load(Ordering::Relaxed) {
        let authorization = caller.authorization()?;
        let (status, account) = balancer.asks(&authorization).await?;
        ensure!((status, &*account) == (200, caller.account()), "a fresh token: {status}");
        told.signed.fetch_add(1, Ordering::Relaxed);
        // It goes to the next replica, if there is one.
        let (status, _) = balancer.asks(&authorization).await?;
        ensure!(status == 401, "a spent token: {status}");
        told.replays.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn bear(balancer: &Balancer, (told, over): (&Told, &AtomicBool)) -> Result<()> {
    let body = json!({"key": API_KEY, "identifier": IDENTIFIER});
    let mut tokens = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let (status, bought) = balancer.buys(&body).await?;
        ensure!(status == 200, "an API key: {status} {bought}");
        let bought: Value = serde_json::from_str(&bought)?;
        let token = bought["jwt"].as_str().context("a token")?.to_owned();
        // One of each signing key is kept to the end.
        if told.kids.lock().expect("a lock").insert(kid(&token)?) || tokens.is_empty() {
            tokens.push(token.clone());
        }
        for token in tokens.iter().chain([&token]) {
            let (status, account) = balancer.asks(&format!("Bearer {token}")).await?;
            ensure!((status, &*account) == (200, IDENTIFIER), "an access token: {status}");
            told.bearer.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn kid(token: &str) -> Result<String> {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().context("a header")?)?;
    let header: Value = serde_json::from_slice(&header)?;
    Ok(header["kid"].as_str().context("a kid")?.to_owned())
}
