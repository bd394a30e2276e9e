//! `countersign jwks`: URLs at which accounts publish their own keys.

use clap::{Args, Subcommand};
use countersign_core::AccountName;
use countersign_server::api::{AddJwksEndpoint, JwksEndpoint, JwksEndpoints, routes};

use crate::commands::block_on;
use crate::failure::Failure;
use crate::operator::OperatorArgs;
use crate::output::{Output, instant, properties, table};

const ADD_EXAMPLES: &str = "\
Example:
  countersign jwks add robot https://robot.example/.well-known/request-keys.json

The keys are fetched at once and every 5 minutes, over https and from public
addresses only. Until the first set is there, the account's tokens are refused.";

#[derive(Subcommand, Debug)]
pub(crate) enum JwksCommand {
    /// Trust an account through a URL.
    #[command(after_help = ADD_EXAMPLES)]
    Add(EndpointArgs),
    /// List an account's URLs.
    List(ListArgs),
    /// Trust an account through a URL no longer.
    Remove(EndpointArgs),
}

#[derive(Args, Debug)]
pub(crate) struct EndpointArgs {
    /// The account's name.
    account: AccountName,
    /// The URL of its JSON Web Key Set.
    url: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// The account's name.
    account: AccountName,
    #[command(flatten)]
    operator: OperatorArgs,
}

pub(crate) fn run(command: JwksCommand, output: Output) -> Result<(), Failure> {
    block_on(async {
        match command {
            JwksCommand::Add(args) => add(args, output).await,
            JwksCommand::List(args) => list(&args, output).await,
            JwksCommand::Remove(args) => remove(&args, output).await,
        }
    })
}

async fn add(args: EndpointArgs, output: Output) -> Result<(), Failure> {
    let api = args.operator.connect().await?;
    let new = AddJwksEndpoint { url: args.url };
    let added: JwksEndpoint = api.post(&routes::jwks_endpoints(&args.account), &new).await?;
    output.show(&added, |added| {
        properties([("url", added.url.clone()), ("added", instant(added.created_at.into()))])
    })
}

async fn list(args: &ListArgs, output: Output) -> Result<(), Failure> {
    let api = args.operator.connect().await?;
    let found: JwksEndpoints = api.get(&routes::jwks_endpoints(&args.account)).await?;
    output.show(&found, |found| {
        let rows = found.endpoints.iter().map(|endpoint| {
            [
                endpoint.url.clone(),
                endpoint.keys.to_string(),
                instant(endpoint.fetched_at),
                problems(endpoint),
            ]
        });
        table(["URL", "KEYS", "FETCHED", "PROBLEMS"], rows)
    })
}

/// Why an endpoint has fewer keys than its owner may think.
fn problems(endpoint: &JwksEndpoint) -> String {
    endpoint
        .error
        .iter()
        .chain(&endpoint.skipped)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("; ")
}

async fn remove(args: &EndpointArgs, output: Output) -> Result<(), Failure> {
    let api = args.operator.connect().await?;
    api.delete(&routes::jwks_endpoint(&args.account, &args.url)).await?;
    output.show(&serde_json::json!({"removed": args.url}), |_| format!("removed {}", args.url))
}
