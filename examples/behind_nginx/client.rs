//! A caller that signs its requests, keeps at it while the service restarts, and does
//! not wait for ever.

#![expect(clippy::print_stdout, reason = "it prints the answer")]

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use countersign_client::{KeySource, SignRequests, Signer};
use reqwest::{StatusCode, Url};

/// How often a request is sent at most.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);
/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends a signed request, again if the gateway cannot say who calls at the moment, and
/// prints the answer.
#[derive(Parser)]
struct Arguments {
    /// The account that Countersign knows the key of.
    #[arg(long, default_value = "billing-worker")]
    account: String,
    /// The private key.
    #[arg(long, default_value = "worker")]
    key: PathBuf,
    #[arg(default_value = "http://127.0.0.1:8000/")]
    url: Url,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let signer = Signer::load(&arguments.account, &KeySource::file(arguments.key), None)?;
    let client = SignRequests::to([arguments.url.clone()], signer).client()?;

    let mut attempt = 1;
    let answer = loop {
        // Each attempt is signed anew: a token works once, even if its answer was lost.
        let answer = client.get(arguments.url.clone()).timeout(PATIENCE).send().await;
        let may_pass = match &answer {
            Ok(answer) => is_temporary(answer.status()),
            Err(error) => error.is_connect() || error.is_timeout(),
        };
        if !may_pass || attempt == ATTEMPTS {
            break answer?;
        }
        attempt += 1;
        tokio::time::sleep(PAUSE).await;
    };
    println!("{}", answer.status());
    print!("{}", answer.text().await?);
    Ok(())
}

/// nginx answers 500 when Countersign does not answer it, and 502 or 504 when the
/// service behind does not.
fn is_temporary(status: StatusCode) -> bool {
    status.is_server_error()
}
