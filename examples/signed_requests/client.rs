//! A caller that signs its requests: the private key stays with it.

#![expect(clippy::print_stdout, reason = "it prints the answer")]

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use countersign_client::{KeySource, SignRequests, Signer};
use reqwest::Url;

/// Sends a signed request and prints the answer.
#[derive(Parser)]
struct Arguments {
    /// The account that the service knows the key of.
    #[arg(long, default_value = "billing-worker")]
    account: String,
    /// The private key.
    #[arg(long, default_value = "worker")]
    key: PathBuf,
    /// Sends a POST instead of a GET.
    #[arg(long)]
    post: bool,
    #[arg(default_value = "http://127.0.0.1:3000/")]
    url: Url,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let signer = Signer::load(&arguments.account, &KeySource::file(arguments.key), None)?;
    let client = SignRequests::to([arguments.url.clone()], signer).client()?;

    let request =
        if arguments.post { client.post(arguments.url) } else { client.get(arguments.url) };
    let answer = request.send().await?;
    println!("{}", answer.status());
    print!("{}", answer.text().await?);
    Ok(())
}
