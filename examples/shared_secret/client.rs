//! A caller that makes its tokens itself, with a secret that it shares with the service.

#![expect(clippy::print_stdout, reason = "it prints the answer")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use countersign_core::{Clock as _, HmacAlgorithm, Issuer, SharedSecret};
use countersign_system::SystemClock;
use reqwest::Url;
use serde::Serialize;

/// Sends a request with a token of its own and prints the answer.
#[derive(Parser)]
struct Arguments {
    /// The file with the shared secret.
    #[arg(long, default_value = "secret")]
    secret: PathBuf,
    /// Who calls.
    #[arg(long, default_value = "billing-worker")]
    account: String,
    /// The groups that the caller is in; may be given several times.
    #[arg(long = "group", default_value = "billing")]
    groups: Vec<String>,
    #[arg(default_value = "http://127.0.0.1:3002/")]
    url: Url,
}

/// What a token says besides who calls, for whom and until when.
#[derive(Serialize)]
struct Claims {
    groups: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let secret = SharedSecret::new(fs::read(arguments.secret)?.trim_ascii_end())?;
    let issuer = Issuer::with_secret(secret, HmacAlgorithm::Hs256)
        .with_audience(["books"])
        .with_lifetime(Duration::from_mins(1));
    let claims = Claims { groups: arguments.groups };
    let token = issuer.issue(&arguments.account, &claims, SystemClock.now())?;

    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let answer = client.get(arguments.url).bearer_auth(token).send().await?;
    println!("{}", answer.status());
    print!("{}", answer.text().await?);
    Ok(())
}
