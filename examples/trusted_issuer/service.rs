//! An axum service that trusts the access tokens of an issuer, for example of a
//! Countersign server, by the keys that it publishes at a JWKS URL.

#![expect(clippy::print_stdout, reason = "it says where it listens")]

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use axum::routing::get;
use axum::{Json, Router};
use clap::Parser;
use countersign_store::{HttpFetcher, JwksKeys, JwksRules, JwksUrl};
use countersign_system::{SystemClock, SystemRandom};
use countersign_tower::{BearerTokens, Claims, Identity, Policy, RequireAuth};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// Serves those who have a token of an issuer.
#[derive(Parser)]
struct Arguments {
    /// Where the issuer publishes its keys.
    #[arg(long, default_value = "http://127.0.0.1:8080/jwks")]
    jwks_url: String,
    /// Who must have issued a token (`iss`).
    #[arg(long)]
    issuer: Option<String>,
    /// The name of this service, for which a token must be (`aud`).
    #[arg(long)]
    audience: Option<String>,
    /// Fetches keys without TLS and from the loopback interface: for trying it out.
    #[arg(long)]
    dangerous_allow_insecure_jwks: bool,
    #[arg(long, default_value = "127.0.0.1:3001")]
    listen: SocketAddr,
}

/// What a handler reads of a token besides who called.
#[derive(Serialize, Deserialize)]
struct Expiry {
    exp: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let policy = Policy::accepting(tokens(&arguments)?).realm("books").build()?;

    let app = Router::new()
        .route("/", get(hello))
        .route("/expiry", get(async |Claims(claims): Claims<Expiry>| Json(claims)))
        .layer(RequireAuth::new(policy));

    let listener = TcpListener::bind(arguments.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn hello(caller: Identity) -> String {
    format!("Hello, {}!\n", caller.account())
}

/// Whose tokens are taken. The keys are fetched in the background; until they are there,
/// callers are told to try again.
fn tokens(arguments: &Arguments) -> Result<BearerTokens> {
    let rules = JwksRules { dangerous_allow_insecure: arguments.dangerous_allow_insecure_jwks };
    let url = JwksUrl::parse(&arguments.jwks_url, &rules)?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let keys = JwksKeys::start(url, Arc::new(HttpFetcher::new(rules)), clock, random);
    let tokens = BearerTokens::keys(Arc::new(keys));
    let tokens = arguments.issuer.iter().fold(tokens, BearerTokens::issuer);
    Ok(arguments.audience.iter().fold(tokens, BearerTokens::audience))
}
