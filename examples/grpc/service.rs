//! A tonic service whose callers have tokens of an issuer whose public key it knows.

#![expect(clippy::print_stdout, reason = "it says where it listens")]

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use countersign_tower::{BearerTokens, Identity, Policy, RequireAuth};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use self::protocol::books_server::{Books, BooksServer};
use self::protocol::{Caller, WhoAmIRequest};

mod protocol;

/// Serves those who have a token that was made with a private key.
#[derive(Parser)]
struct Arguments {
    /// The public half of that key.
    #[arg(long, default_value = "issuer.pub")]
    issuer_key: PathBuf,
    #[arg(long, default_value = "127.0.0.1:3003")]
    listen: SocketAddr,
}

struct OpenBooks;

#[tonic::async_trait]
impl Books for OpenBooks {
    async fn who_am_i(&self, request: Request<WhoAmIRequest>) -> Result<Response<Caller>, Status> {
        let caller = Identity::find(request.extensions())
            .ok_or_else(|| Status::internal("no layer says who calls"))?;
        Ok(Response::new(Caller {
            account: caller.account().to_string(),
            groups: caller.groups().iter().map(ToString::to_string).collect(),
        }))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let tokens =
        BearerTokens::key_files([arguments.issuer_key])?.audience("books").groups_claim("groups");
    let policy = Policy::accepting(tokens).build()?;

    let listener = TcpListener::bind(arguments.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Server::builder()
        .layer(RequireAuth::new(policy))
        .add_service(BooksServer::new(OpenBooks))
        .serve_with_incoming(TcpIncoming::from(listener))
        .await?;
    Ok(())
}
