//! The key-to-token service against an empty handler behind the same layers, which does
//! nothing, one bare signature check, or one bare signature.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use countersign_benches::load::{Requests, connect, exchange, render_bearer, render_json};
use countersign_benches::measured_tokens::{
    self, ACCOUNTS, Bare, TokenSetup, access_token, api_key, identifier,
};
use countersign_benches::process::{SERVER_CORE, Server};
use countersign_benches::report::{Row, print};
use countersign_benches::shares::{Shares, by_turns, half, on_the_load_core};
use countersign_testbed::{Durability, Postgres};
use serde_json::json;
use tempfile::TempDir;

/// How many pairs are measured: many short ones say more about the middle than few long
/// ones where neighbours come and go.
const PAIRS: usize = 101;
/// The same for a large store on SQLite: few, because each is one whole round of what
/// happens there, [`TURNS`] of [`TURN_REQUESTS`], after which all new tokens are sorted in.
const ROUNDS: usize = 13;
/// How many turns one round has: more than 131,072 requests.
const TURNS: usize = 132;
/// How many requests one turn has.
const TURN_REQUESTS: usize = 1_000;
/// The same where each request takes an RSA signature.
const RSA_PAIRS: usize = 41;
/// Requests in one half of a pair.
const REQUESTS: usize = 4_000;
/// The same where each takes an RSA signature.
const RSA_REQUESTS: usize = 500;
/// Refresh tokens in the large store.
const MANY_REFRESH_TOKENS: usize = 1_000_000;

fn main() -> anyhow::Result<ExitCode> {
    if let Some(setup) = TokenSetup::from_arguments(std::env::args().skip(1))? {
        measured_tokens::serve(setup)?;
        return Ok(ExitCode::SUCCESS);
    }
    // A word given picks the comparisons whose names contain it.
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let place = Place { directory: tempfile::tempdir()?, postgres: OnceCell::new() };
    let mut rows = Vec::new();
    for comparison in comparisons() {
        if comparison.name.contains(&wanted) {
            rows.extend(comparison.measure(&place)?);
        }
    }
    let title = "Keys for tokens: share of the baseline's requests (1 = as many)";
    let fast = rows.is_empty() || print(title, &rows);
    let mut rows = Vec::new();
    for on_postgres in [false, true] {
        let name = format!("Large store on {}", database_name(on_postgres));
        if name.contains(&wanted) {
            rows.extend(large_against_small(&name, on_postgres, &place)?);
        }
    }
    let title = "A store with a million refresh tokens: its share of an empty one's requests";
    let steady = rows.is_empty() || print(title, &rows);
    Ok(if fast && steady { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the measured servers keep what they store.
struct Place {
    directory: TempDir,
    /// Started when the first comparison needs it.
    postgres: OnceCell<Postgres>,
}

impl Place {
    /// The URL of a new database.
    fn fresh_database(&self) -> anyhow::Result<String> {
        let postgres = if let Some(postgres) = self.postgres.get() {
            postgres
        } else {
            let started = Postgres::of_its_own(Durability::Full)?;
            self.postgres.get_or_init(|| started)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(postgres.fresh_database())?.url().to_owned())
    }
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    /// `/validate_request` with the same tokens in every pair.
    ValidateSeen,
    /// The same with tokens that nobody has seen.
    ValidateNew,
    /// `/authenticate`.
    Authenticate,
    /// `/refresh`.
    Refresh,
}

struct Comparison {
    name: String,
    question: Question,
    bare: Bare,
    rsa: bool,
    on_postgres: bool,
    limit: f64,
}

fn database_name(on_postgres: bool) -> &'static str {
    if on_postgres { "PostgreSQL" } else { "SQLite" }
}

fn comparisons() -> Vec<Comparison> {
    let mut all = vec![
        Comparison {
            name: "/validate_request, tokens seen before, against nothing".to_owned(),
            question: Question::ValidateSeen,
            bare: Bare::Nothing,
            rsa: false,
            on_postgres: false,
            limit: 0.85,
        },
        Comparison {
            name: "/validate_request, new EdDSA tokens, against a bare check".to_owned(),
            question: Question::ValidateNew,
            bare: Bare::Verify,
            rsa: false,
            on_postgres: false,
            limit: 0.85,
        },
    ];
    for (question, path) in
        [(Question::Authenticate, "/authenticate"), (Question::Refresh, "/refresh")]
    {
        for (rsa, algorithm, limit) in [(false, "EdDSA", 0.50), (true, "RS256", 0.90)] {
            for on_postgres in [false, true] {
                let database = database_name(on_postgres);
                let name = format!("{path}, {algorithm}, {database}, against a bare signature");
                let bare = Bare::Sign;
                all.push(Comparison { name, question, bare, rsa, on_postgres, limit });
            }
        }
    }
    all
}

impl Comparison {
    fn setup(&self) -> TokenSetup {
        let Self { bare, rsa, .. } = *self;
        TokenSetup { bare, rsa, postgres: None, refresh_tokens: 0, copy_of: None, workers: 1 }
    }

    fn measure(&self, place: &Place) -> anyhow::Result<Vec<Row>> {
        let server = start(self, 0, place)?;
        let (pairs, count) = if self.rsa { (RSA_PAIRS, RSA_REQUESTS) } else { (PAIRS, REQUESTS) };
        let shares = on_the_load_core(async {
            let refresh_tokens = match self.question {
                Question::Refresh => buy(&server.addresses[1]).await?,
                _ => Vec::new(),
            };
            let mut shares = Shares::default();
            // The first pair warms both up.
            for pair in 0..=pairs {
                let requests = self.requests(pair, count, &refresh_tokens);
                let bare = half(&server, &server.addresses[0], &requests).await?;
                let ours = half(&server, &server.addresses[1], &requests).await?;
                if pair > 0 {
                    shares.add(&bare, &ours);
                }
            }
            Ok(shares)
        })?;
        Ok(shares.rows(&self.name, self.limit))
    }

    fn requests(&self, pair: usize, count: usize, refresh_tokens: &[String]) -> Requests {
        let one = |number: usize| {
            let index = number % ACCOUNTS;
            match self.question {
                Question::ValidateSeen => {
                    // The one that each account has at the time.
                    render_bearer("/validate_request", &access_token(index, index as u128))
                }
                Question::ValidateNew => {
                    let number = (pair * count + number) as u128;
                    render_bearer("/validate_request", &access_token(index, number))
                }
                Question::Authenticate => {
                    let (key, identifier) = (api_key(index), identifier(index));
                    let body = json!({ "key": key.reveal(), "identifier": identifier });
                    render_json("/authenticate", &body)
                }
                Question::Refresh => {
                    let (token, identifier) = (&refresh_tokens[index], identifier(index));
                    let body = json!({ "refresh_token": token, "identifier": identifier });
                    render_json("/refresh", &body)
                }
            }
        };
        Arc::new((0..count).map(one).collect())
    }
}

fn start(comparison: &Comparison, refresh_tokens: usize, place: &Place) -> anyhow::Result<Server> {
    let postgres = if comparison.on_postgres { Some(place.fresh_database()?) } else { None };
    let setup = TokenSetup { postgres, refresh_tokens, ..comparison.setup() };
    start_with(&setup, place).map(|(server, _)| server)
}

/// Starts a server; its data directory too.
fn start_with(setup: &TokenSetup, place: &Place) -> anyhow::Result<(Server, PathBuf)> {
    let arguments = setup.to_arguments(place.directory.path())?;
    let data = Path::new(&arguments[1]).parent().context("a directory")?.to_owned();
    Ok((Server::start(&arguments, SERVER_CORE, 2)?, data))
}

/// A refresh token of each account.
async fn buy(address: &str) -> anyhow::Result<Vec<String>> {
    let mut connection = connect(address).await?;
    let mut buffer = vec![0; 16 * 1024];
    let mut tokens = Vec::with_capacity(ACCOUNTS);
    for index in 0..ACCOUNTS {
        let body = json!({ "key": api_key(index).reveal(), "identifier": identifier(index) });
        let request = render_json("/authenticate", &body);
        let answer = exchange(&mut connection, &request, &mut buffer).await?;
        let answer: serde_json::Value = serde_json::from_slice(answer)?;
        tokens.push(answer["refresh_token"].as_str().context("a refresh token")?.to_owned());
    }
    Ok(tokens)
}

fn large_against_small(name: &str, on_postgres: bool, place: &Place) -> anyhow::Result<Vec<Row>> {
    let comparison = Comparison {
        name: name.to_owned(),
        question: Question::Authenticate,
        bare: Bare::Nothing,
        rsa: false,
        on_postgres,
        limit: 0.90,
    };
    let shares = if on_postgres {
        large_against_small_in_pairs(&comparison, place)?
    } else {
        large_against_small_in_rounds(&comparison, place)?
    };
    Ok(shares.rows(name, comparison.limit))
}

fn large_against_small_in_pairs(comparison: &Comparison, place: &Place) -> anyhow::Result<Shares> {
    let small = start(comparison, 0, place)?;
    let large = start(comparison, MANY_REFRESH_TOKENS, place)?;
    on_the_load_core(async {
        let mut shares = Shares::default();
        for pair in 0..=PAIRS {
            let requests = comparison.requests(pair, REQUESTS, &[]);
            let base = half(&small, &small.addresses[1], &requests).await?;
            let ours = half(&large, &large.addresses[1], &requests).await?;
            if pair > 0 {
                shares.add(&base, &ours);
            }
        }
        Ok(shares)
    })
}

/// Each round begins with the same two stores, so that the small one stays small.
fn large_against_small_in_rounds(comparison: &Comparison, place: &Place) -> anyhow::Result<Shares> {
    let prepared = |refresh_tokens| {
        let setup = TokenSetup { refresh_tokens, ..comparison.setup() };
        start_with(&setup, place).map(|(_, data)| data)
    };
    let (small, large) = (prepared(0)?, prepared(MANY_REFRESH_TOKENS)?);
    let copy = |original: &Path| {
        let setup = TokenSetup { copy_of: Some(original.to_owned()), ..comparison.setup() };
        start_with(&setup, place)
    };
    let requests = comparison.requests(0, TURN_REQUESTS, &[]);
    let mut shares = Shares::default();
    for _ in 0..ROUNDS {
        let ((small, small_data), (large, large_data)) = (copy(&small)?, copy(&large)?);
        let servers = [&small, &large].map(|server| (server, server.addresses[1].as_str()));
        let [base, ours] = on_the_load_core(by_turns(servers, &requests, TURNS))?;
        shares.add(&base, &ours);
        drop((small, large));
        for data in [small_data, large_data] {
            std::fs::remove_dir_all(data)?;
        }
    }
    Ok(shares)
}
