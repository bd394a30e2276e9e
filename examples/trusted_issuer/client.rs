//! A caller that swaps an API key for access tokens and sends a fresh one with each
//! request.

#![expect(clippy::print_stdout, reason = "it prints the answer")]

use std::env;

use anyhow::{Context as _, Result};
use clap::Parser;
use countersign_client::{ApiKey, AuthorizeRequests, Service, Session};
use reqwest::Url;
use uuid::Uuid;

/// Sends a request with an access token and prints the answer. The API key is taken from
/// the environment variable `API_KEY`: arguments can be read by others on the machine.
#[derive(Parser)]
struct Arguments {
    /// The Countersign server that sells access tokens.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    countersign: Url,
    /// Who the caller is.
    #[arg(long)]
    identifier: Uuid,
    #[arg(default_value = "http://127.0.0.1:3001/")]
    url: Url,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let api_key = ApiKey::new(&env::var("API_KEY").context("API_KEY must be set")?)?;
    let service = Service::at(arguments.countersign).build()?;
    let session = Session::new(service, arguments.identifier, api_key);
    let client = AuthorizeRequests::to([arguments.url.clone()], session).client()?;

    let answer = client.get(arguments.url).send().await?;
    println!("{}", answer.status());
    print!("{}", answer.text().await?);
    Ok(())
}
