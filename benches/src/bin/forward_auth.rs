//! `/forward-auth` against an empty handler that does one bare signature check
//! behind the same layers.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use countersign_benches::load::{Requests, render};
use countersign_benches::measured::{self, Guard, Setup};
use countersign_benches::process::{SERVER_CORE, Server};
use countersign_benches::report::{Row, print};
use countersign_benches::shares::{Shares, half, on_the_load_core};
use countersign_benches::tokens::{Counter, Scheme, authorization, ed25519, rsa};
use countersign_core::PrivateKey;

/// How many pairs are measured: many short ones say more about the middle than
/// few long ones where neighbours come and go.
const PAIRS: usize = 101;
/// Requests in one half of a pair with Ed25519 tokens.
const ED25519_REQUESTS: usize = 4_000;
/// The same with RSA tokens, each of which takes most of a millisecond to sign.
const RSA_REQUESTS: usize = 1_000;
/// Accounts of the ordinary server.
const FEW_ACCOUNTS: usize = 1_000;
/// Accounts of the large one.
const MANY_ACCOUNTS: usize = 1_000_000;
/// Nonces spent before the large one is measured, all of them live.
const MANY_NONCES: usize = 10_000_000;

fn main() -> anyhow::Result<ExitCode> {
    if let Some(setup) = Setup::from_arguments(std::env::args().skip(1))? {
        measured::serve(setup)?;
        return Ok(ExitCode::SUCCESS);
    }
    // A word given picks the comparisons whose names contain it.
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let directory = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for (scheme, guard, limit) in [
        (Scheme::EdDsa, Guard::Memory, 0.85),
        (Scheme::EdDsa, Guard::Durable, 0.55),
        (Scheme::Rs512, Guard::Memory, 0.75),
        (Scheme::Rs512, Guard::Durable, 0.40),
    ] {
        if format!("{scheme:?} {guard:?}").contains(&wanted) {
            rows.extend(against_bare_check(scheme, guard, limit, directory.path())?);
        }
    }
    let title = "/forward-auth: share of the baseline's requests (1 = as many)";
    let fast = rows.is_empty() || print(title, &rows);

    let mut rows = Vec::new();
    for guard in [Guard::Memory, Guard::Durable] {
        if format!("Large {guard:?}").contains(&wanted) {
            rows.extend(large_against_small(guard, directory.path())?);
        }
    }
    let title = "/forward-auth: a large server's share of a small one's requests";
    let steady = rows.is_empty() || print(title, &rows);
    Ok(if fast && steady { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn against_bare_check(
    scheme: Scheme,
    guard: Guard,
    limit: f64,
    directory: &std::path::Path,
) -> anyhow::Result<Vec<Row>> {
    let (key, count) = match scheme {
        Scheme::EdDsa => (None, ED25519_REQUESTS),
        Scheme::Rs512 => (Some(rsa()), RSA_REQUESTS),
    };
    let random = Counter(AtomicU64::new(0));
    let batches = requests(PAIRS, count, FEW_ACCOUNTS, key.as_ref(), &random);
    let name = format!("{scheme:?} tokens, {guard:?} guard");
    let setup = Setup {
        guard,
        accounts: FEW_ACCOUNTS,
        nonces: 0,
        key: key.as_ref().map(PrivateKey::public_key).cloned(),
        sample: authorization(0, &key.unwrap_or_else(|| ed25519(0)), &random),
    };
    let server = Server::start(&setup.to_arguments(directory)?, SERVER_CORE, 2)?;
    let shares = on_the_load_core(async {
        let mut shares = Shares::default();
        for batch in &batches {
            let bare = half(&server, &server.addresses[0], batch).await?;
            let ours = half(&server, &server.addresses[1], batch).await?;
            shares.add(&bare, &ours);
        }
        Ok(shares)
    })?;
    Ok(shares.rows(&name, limit))
}

fn large_against_small(guard: Guard, directory: &std::path::Path) -> anyhow::Result<Vec<Row>> {
    let random = Counter(AtomicU64::new(0));
    let few = requests(PAIRS, ED25519_REQUESTS, FEW_ACCOUNTS, None, &random);
    let many = requests(PAIRS, ED25519_REQUESTS, MANY_ACCOUNTS, None, &random);
    let sample = authorization(0, &ed25519(0), &random);
    let small = Setup {
        guard: guard.clone(),
        accounts: FEW_ACCOUNTS,
        nonces: 0,
        key: None,
        sample: sample.clone(),
    };
    let name = format!("{MANY_ACCOUNTS} accounts, {MANY_NONCES} live nonces, {guard:?} guard");
    let large = Setup { guard, accounts: MANY_ACCOUNTS, nonces: MANY_NONCES, key: None, sample };
    let small = Server::start(&small.to_arguments(directory)?, SERVER_CORE, 2)?;
    let large = Server::start(&large.to_arguments(directory)?, SERVER_CORE, 2)?;
    let shares = on_the_load_core(async {
        let mut shares = Shares::default();
        for (few, many) in few.iter().zip(&many) {
            let base = half(&small, &small.addresses[1], few).await?;
            let ours = half(&large, &large.addresses[1], many).await?;
            shares.add(&base, &ours);
        }
        Ok(shares)
    })?;
    Ok(shares.rows(&name, 0.90))
}

/// Signed beforehand, on every core, before the load is moved to its own.
fn requests(
    batches: usize,
    count: usize,
    accounts: usize,
    key: Option<&PrivateKey>,
    random: &Counter,
) -> Vec<Requests> {
    let batch = |seed: usize| -> Requests {
        let one = |index: usize| {
            let account = scatter(seed * count + index) % accounts;
            match key {
                Some(key) => render(&authorization(account, key, random)),
                None => render(&authorization(account, &ed25519(account), random)),
            }
        };
        Arc::new((0..count).map(one).collect())
    };
    let seeds: Vec<usize> = (0..batches).collect();
    let halves = seeds.split_at(batches / 2);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| halves.0.iter().copied().map(batch).collect::<Vec<_>>());
        let second: Vec<_> = halves.1.iter().copied().map(batch).collect();
        // Unwrap safety: a panic of the thread is a panic of the benchmark.
        first.join().expect("signing").into_iter().chain(second).collect()
    })
}

/// Spreads consecutive numbers evenly: Knuth's multiplicative hash.
fn scatter(index: usize) -> usize {
    (index.wrapping_mul(0x9E37_79B9_7F4A_7C15)) >> 20
}
