//! A tonic caller that makes its tokens itself, with a private key.

#![expect(clippy::print_stdout, reason = "it prints the answer")]

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use countersign_client::KeySource;
use countersign_core::{Clock as _, Issuer};
use countersign_system::SystemClock;
use serde_json::json;
use tonic::Request;
use tonic::transport::Endpoint;

use self::protocol::WhoAmIRequest;
use self::protocol::books_client::BooksClient;

mod protocol;

/// Asks a service who it takes the caller for.
#[derive(Parser)]
struct Arguments {
    /// The private key whose public half the service knows.
    #[arg(long, default_value = "issuer")]
    key: PathBuf,
    /// Who calls.
    #[arg(long, default_value = "billing-worker")]
    account: String,
    #[arg(default_value = "http://127.0.0.1:3003")]
    endpoint: Endpoint,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let key = KeySource::file(arguments.key).load(None)?;
    let algorithm = key.default_algorithm();
    let issuer = Issuer::with_key(key, algorithm)
        .with_audience(["books"])
        .with_lifetime(Duration::from_mins(1));

    let channel = arguments.endpoint.connect().await?;
    // Each call has a token of its own, which nobody can use for long.
    let mut client = BooksClient::with_interceptor(channel, move |mut request: Request<()>| {
        let token =
            issuer.issue(&arguments.account, &json!({"groups": ["billing"]}), SystemClock.now());
        let token = token.map_err(|error| tonic::Status::internal(error.to_string()))?;
        let authorization = format!("Bearer {token}").parse();
        let authorization = authorization.map_err(|_| tonic::Status::internal("no header"))?;
        request.metadata_mut().insert("authorization", authorization);
        Ok(request)
    });
    let caller = client.who_am_i(WhoAmIRequest {}).await?.into_inner();
    println!("{} in {:?}", caller.account, caller.groups);
    Ok(())
}
