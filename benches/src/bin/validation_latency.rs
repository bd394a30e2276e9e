//! How long validations take beside a stream of `RS256` signatures, against validations
//! alone: the server on both cores, both kinds of requests from outside.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use countersign_benches::clock::Stopwatch;
use countersign_benches::load::{Requests, connect, exchange, render_bearer, render_json};
use countersign_benches::measured_tokens::{self, ACCOUNTS, Bare, TokenSetup, api_key, identifier};
use countersign_benches::pairs::Ratios;
use countersign_benches::process::{BOTH_CORES, Server};
use countersign_benches::report::{Limit, Row, print};
use serde_json::json;

/// How many pairs are measured.
const PAIRS: usize = 41;
/// Who validates.
const VALIDATORS: usize = 16;
/// From one validation of each of them to the next: far less than the server could
/// answer, so that it is not already waiting for a processor that is measured alone.
const PAUSE: Duration = Duration::from_millis(4);
/// How many each of them asks for in one half of a pair.
const VALIDATIONS: usize = 125;
/// Who has tokens signed, one after the other and without a pause.
const SIGNERS: usize = 2;
/// How many tokens are validated in turn.
const TOKENS: usize = 200;

fn main() -> anyhow::Result<ExitCode> {
    if let Some(setup) = TokenSetup::from_arguments(std::env::args().skip(1))? {
        measured_tokens::serve(setup)?;
        return Ok(ExitCode::SUCCESS);
    }
    let directory = tempfile::tempdir()?;
    let setup = TokenSetup {
        bare: Bare::Nothing,
        rsa: true,
        postgres: None,
        refresh_tokens: 0,
        copy_of: None,
        workers: 2,
    };
    let server = Server::start(&setup.to_arguments(directory.path())?, BOTH_CORES, 2)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ratios = runtime.block_on(measure(&server.addresses[1]))?;
    let rows = ["median", "99th percentile"].into_iter().zip(ratios).map(|(what, ratios)| Row {
        name: format!("/validate_request beside RS256 signatures: {what}"),
        ratios,
        limit: if what == "median" { Limit::Shown } else { Limit::AtMost },
        value: 2.0,
    });
    let rows: Vec<Row> = rows.collect();
    let title = "Time of a validation beside signatures, over that of one alone";
    Ok(if print(title, &rows) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The ratios of the medians and of the 99th percentiles.
async fn measure(address: &str) -> anyhow::Result<[Ratios; 2]> {
    let purchases: Requests = Arc::new((0..ACCOUNTS).map(purchase).collect());
    let validations = validations(address, &purchases).await?;
    let mut ratios = [Vec::new(), Vec::new()];
    // The first pair warms up.
    for pair in 0..=PAIRS {
        let alone = validate(address, &validations).await?;
        let signing: Vec<_> = (0..SIGNERS)
            .map(|_| tokio::spawn(sign_without_end(address.to_owned(), Arc::clone(&purchases))))
            .collect();
        let beside = validate(address, &validations).await?;
        for stream in signing {
            anyhow::ensure!(!stream.is_finished(), "the signatures ended early");
            stream.abort();
        }
        if pair > 0 {
            for (ratios, percent) in ratios.iter_mut().zip([50, 99]) {
                ratios.push(percentile(&beside, percent) / percentile(&alone, percent));
            }
        }
    }
    Ok(ratios.map(Ratios::new))
}

fn purchase(index: usize) -> Vec<u8> {
    let body = json!({ "key": api_key(index).reveal(), "identifier": identifier(index) });
    render_json("/authenticate", &body)
}

/// Validations of tokens that are bought for it.
async fn validations(address: &str, purchases: &[Vec<u8>]) -> anyhow::Result<Requests> {
    let mut connection = connect(address).await?;
    let mut buffer = vec![0; 16 * 1024];
    let mut validations = Vec::with_capacity(TOKENS);
    for purchase in &purchases[..TOKENS] {
        let answer = exchange(&mut connection, purchase, &mut buffer).await?;
        let answer: serde_json::Value = serde_json::from_slice(answer)?;
        let token = answer["jwt"].as_str().context("an access token")?;
        validations.push(render_bearer("/validate_request", token));
    }
    Ok(Arc::new(validations))
}

/// Buys one token after the other.
async fn sign_without_end(address: String, purchases: Requests) -> anyhow::Result<()> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mut connection = connect(&address).await?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let purchase = &purchases[NEXT.fetch_add(1, Ordering::Relaxed) % purchases.len()];
        exchange(&mut connection, purchase, &mut buffer).await?;
    }
}

/// How long each of the validations took, sorted.
async fn validate(address: &str, validations: &Requests) -> anyhow::Result<Vec<Duration>> {
    let mut validators = Vec::new();
    for number in 0..VALIDATORS {
        let connection = connect(address).await?;
        let validations = Arc::clone(validations);
        validators.push(tokio::spawn(async move {
            // They take turns within the pause.
            tokio::time::sleep(PAUSE * u32::try_from(number)? / u32::try_from(VALIDATORS)?).await;
            validate_one_by_one(connection, &validations, number).await
        }));
    }
    let mut took = Vec::with_capacity(VALIDATORS * VALIDATIONS);
    for validator in validators {
        took.extend(validator.await??);
    }
    took.sort_unstable();
    Ok(took)
}

async fn validate_one_by_one(
    mut connection: tokio::net::TcpStream,
    validations: &[Vec<u8>],
    first: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut buffer = vec![0; 16 * 1024];
    let mut took = Vec::with_capacity(VALIDATIONS);
    let mut next = tokio::time::interval(PAUSE);
    for number in 0..VALIDATIONS {
        next.tick().await;
        let validation = &validations[(first + number * VALIDATORS) % validations.len()];
        let watch = Stopwatch::start();
        exchange(&mut connection, validation, &mut buffer).await?;
        took.push(watch.elapsed());
    }
    Ok(took)
}

/// The duration that `percent` of the sorted ones do not exceed, in seconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64()
}
