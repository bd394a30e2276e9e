//! A hyper service without a framework. Whose tokens it takes is said in its
//! configuration file and its environment; here: of those who share a secret with it.

#![expect(clippy::print_stdout, reason = "it says where it listens")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use config::{Config, Environment, File};
use countersign_tower::{Authorize, Identity, PolicySettings, RequireAuth, acl};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::net::TcpListener;
use tower::ServiceBuilder;

/// Serves those who have a token that was made with the shared secret.
#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "service.toml")]
    config: PathBuf,
}

/// The configuration file, and the environment variables that begin with `BOOKS_SERVICE__`.
/// A prefix alone would not do: Kubernetes sets `BOOKS_PORT` for a service named `books`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    listen: SocketAddr,
    auth: PolicySettings,
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let settings = settings(Arguments::parse())?;
    let policy = settings.auth.builder()?.build()?;
    let service = ServiceBuilder::new()
        .layer(RequireAuth::new(policy))
        .layer(Authorize::new(acl![deny account "intern", allow group "billing"]))
        .service_fn(hello);

    let listener = TcpListener::bind(settings.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (connection, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            // A connection that breaks is the client's business.
            let _ = server.serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let answer = match Identity::find(request.extensions()) {
        Some(caller) => format!("Hello, {}!\n", caller.account()),
        None => "Hello, stranger!\n".to_owned(),
    };
    Ok(Response::new(Full::from(answer)))
}

fn settings(arguments: Arguments) -> Result<Settings> {
    let environment = Environment::with_prefix("BOOKS_SERVICE").separator("__");
    let config = Config::builder().add_source(File::from(arguments.config)).add_source(environment);
    Ok(config.build()?.try_deserialize()?)
}
