//! An axum service that nothing but nginx can reach, where nginx asks Countersign about
//! each request (docs/nginx.md) and says in identity headers who calls.

#![expect(clippy::print_stdout, reason = "it says where it listens")]

use std::net::SocketAddr;

use anyhow::Result;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::routing::{get, post};
use clap::Parser;
use countersign_core::{IdentityHeaders, ReportedIdentity};
use http::StatusCode;
use http::request::Parts;
use tokio::net::TcpListener;

/// Serves those whom nginx lets through.
#[derive(Parser)]
struct Arguments {
    /// Where nginx finds it. Whoever else can connect to this can be anyone: keep it on
    /// the loopback interface or in a network of its own.
    #[arg(long, default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
}

/// The caller, as nginx reports it.
struct Caller(ReportedIdentity);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        match IdentityHeaders::default().read(&parts.headers) {
            Ok(Some(caller)) => Ok(Self(caller)),
            // It did not come through a location that asks Countersign.
            Ok(None) | Err(_) => Err(StatusCode::UNAUTHORIZED),
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let app = Router::new().route("/", get(hello)).route("/close", post(close));

    let listener = TcpListener::bind(arguments.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn hello(Caller(caller): Caller) -> String {
    format!("Hello, {}!\n", caller.account())
}

async fn close(Caller(caller): Caller) -> Result<&'static str, StatusCode> {
    if caller.is_in("billing") { Ok("closed\n") } else { Err(StatusCode::FORBIDDEN) }
}
