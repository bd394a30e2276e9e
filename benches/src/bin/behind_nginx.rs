//! What our process does for a request that nginx asks about, against the same question
//! without nginx: how much more CPU time it takes.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{bail, ensure};
use countersign_benches::arrivals;
use countersign_benches::load::{CALLERS, Requests};
use countersign_benches::measured::{self, Guard, Setup};
use countersign_benches::measured_tokens::{self, Bare, TokenSetup, access_token};
use countersign_benches::process::{SERVER_CORE, Server};
use countersign_benches::report::{Limit, Row, print};
use countersign_benches::shares::{Costs, half, half_when, on_the_load_core};
use countersign_benches::tokens::{Counter, authorization, ed25519};
use interop::{Nginx, Site, Upstream};

/// How often each way is measured.
const ROUNDS: usize = 31;
/// Requests in one round, each way.
const REQUESTS: usize = 2_000;
/// How many accounts there are.
const ACCOUNTS: usize = 1_000;
/// How much more our process may do.
const LIMIT: f64 = 1.10;

fn main() -> anyhow::Result<ExitCode> {
    let arguments = || std::env::args().skip(1);
    if let Some(setup) = Setup::from_arguments(arguments())? {
        measured::serve_noting(setup)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(setup) = TokenSetup::from_arguments(arguments())? {
        measured_tokens::serve_noting(setup)?;
        return Ok(ExitCode::SUCCESS);
    }
    // A word given picks the comparisons whose names contain it.
    let wanted = arguments().next().unwrap_or_default();
    let directory = tempfile::tempdir()?;
    let mut rows = Vec::new();
    if "signed requests".contains(&wanted) {
        rows.extend(signed_requests(directory.path())?);
    }
    if "access tokens".contains(&wanted) {
        rows.extend(access_tokens(directory.path())?);
    }
    let title = format!("CPU time of a question through nginx, {CALLERS} callers (1 = as much)");
    Ok(if print(&title, &rows) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn signed_requests(directory: &std::path::Path) -> anyhow::Result<[Row; 2]> {
    let random = Counter(AtomicU64::new(0));
    let sample = authorization(0, &ed25519(0), &random);
    let setup = Setup { guard: Guard::Durable, accounts: ACCOUNTS, nonces: 0, key: None, sample };
    let server = Server::start(&setup.to_arguments(directory)?, SERVER_CORE, 2)?;
    let fresh = |number: usize| {
        let account = number % ACCOUNTS;
        authorization(account, &ed25519(account), &random)
    };
    compare("fresh Ed25519 signed requests", &server, fresh)
}

fn access_tokens(directory: &std::path::Path) -> anyhow::Result<[Row; 2]> {
    let setup = TokenSetup {
        bare: Bare::Nothing,
        rsa: false,
        postgres: None,
        refresh_tokens: 0,
        copy_of: None,
        workers: 1,
    };
    let server = Server::start(&setup.to_arguments(directory)?, SERVER_CORE, 2)?;
    let seen = |number: usize| {
        let account = number % ACCOUNTS;
        format!("Bearer {}", access_token(account, account as u128))
    };
    compare("access tokens", &server, seen)
}

/// Both ways by turns, with requests that carry these credentials.
///
/// How much a request costs depends on how many come at a time. nginx, which shares the other
/// core with the load, sends fewer at a time than the load by itself, which can always fill
/// the queue of the server; so the server notes in what crowds they came from nginx, and in
/// the same crowds, at the same intervals, they are sent without it. As fast as both can go
/// is shown too.
fn compare(
    name: &str,
    server: &Server,
    credential: impl Fn(usize) -> String,
) -> anyhow::Result<[Row; 2]> {
    // Signed beforehand, before the load is moved to its core.
    let batch = |seed: usize, render: fn(&str) -> Vec<u8>| -> Requests {
        let numbers = seed * REQUESTS..(seed + 1) * REQUESTS;
        Arc::new(numbers.map(|number| render(&credential(number))).collect())
    };
    let renders: [fn(&str) -> Vec<u8>; 3] = [for_nginx, direct, direct];
    let batches: Vec<_> = (0..=ROUNDS)
        .map(|round| [0, 1, 2].map(|part| batch(3 * round + part, renders[part])))
        .collect();
    let (alike, unpaced) = on_the_load_core(async {
        let [ours, noted] = server.addresses.as_slice() else { bail!("two addresses") };
        let application = Upstream::start().await?;
        let site = Site {
            countersign: vec![ours.clone()],
            application: application.address().to_owned(),
            ..Site::default()
        };
        let nginx = Nginx::start(&site).await?;
        let through = nginx.url().trim_start_matches("http://");
        let (mut alike, mut unpaced) = (Costs::default(), Costs::default());
        // The first round warms all up.
        for (round, [sent, asked, asked_fast]) in batches.iter().enumerate() {
            arrivals::of(noted).await?;
            let sent = half(server, through, sent).await?;
            let due = arrivals::of(noted).await?;
            ensure!(due.len() == REQUESTS, "{} requests were noted", due.len());
            let asked = half_when(&due, server, ours, asked).await?;
            let asked_fast = half(server, ours, asked_fast).await?;
            if round > 0 {
                alike.add(&asked, &sent);
                unpaced.add(&asked_fast, &sent);
            }
        }
        Ok((alike, unpaced))
    })?;
    Ok([
        alike.row(format!("{name}, in the same crowds"), Limit::AtMost, LIMIT),
        unpaced.row(format!("{name}, as many as go"), Limit::Shown, LIMIT),
    ])
}

/// The question as nginx asks it.
fn direct(authorization: &str) -> Vec<u8> {
    format!(
        "GET /auth-request HTTP/1.1\r\nHost: bench\r\nAuthorization: {authorization}\r\n\
         X-Original-Method: GET\r\nX-Original-Host: bench\r\nX-Original-URI: /orders/17\r\n\
         X-Forwarded-For: 127.0.0.1\r\nX-Request-ID: 0123456789abcdef0123456789abcdef\r\n\r\n"
    )
    .into_bytes()
}

/// The request of a caller.
fn for_nginx(authorization: &str) -> Vec<u8> {
    format!("GET /orders/17 HTTP/1.1\r\nHost: bench\r\nAuthorization: {authorization}\r\n\r\n")
        .into_bytes()
}
