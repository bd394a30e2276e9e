//! `countersign api-key`: keys that are swapped for tokens.

use clap::{Args, Subcommand};
use countersign_core::{AccountName, ApiKeyId};
use countersign_server::api::{ApiKey, ApiKeys, ChangeApiKey, CreateApiKey, CreatedApiKey, routes};
use uuid::Uuid;

use crate::commands::block_on;
use crate::commands::key::validity::{ExpiryArgs, from_now, last_used, state};
use crate::config::Span;
use crate::failure::Failure;
use crate::operator::OperatorArgs;
use crate::output::{Output, instant, note, properties, table};

const CREATE_EXAMPLES: &str = "\
Examples:
  countersign api-key create robot --expires-in 120d
  countersign api-key create robot --comment 'the nightly job' > robot.api-key

The key itself is shown this once. It goes to stdout alone, everything else to stderr.";

#[derive(Subcommand, Debug)]
pub(crate) enum ApiKeyCommand {
    /// Make a key for an account, and show it this once.
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// List an account's API keys.
    List(ListArgs),
    /// Set, move or clear the instant from which on a key is refused.
    Expire(ExpireArgs),
    /// Withdraw a key and every token it bought, for good and from the next request on.
    Revoke(RevokeArgs),
}

#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// The account's name.
    account: AccountName,
    /// What to call the key.
    #[arg(long, value_name = "C")]
    comment: Option<String>,
    /// Refuse the key after this span, for example 120d.
    #[arg(long, value_name = "SPAN")]
    expires_in: Option<Span>,
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

#[derive(Args, Debug)]
pub(crate) struct ExpireArgs {
    /// The account's name.
    account: AccountName,
    /// The key's id, as `api-key list` shows it.
    id: Uuid,
    #[command(flatten)]
    expiry: ExpiryArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RevokeArgs {
    /// The account's name.
    account: AccountName,
    /// The key's id, as `api-key list` shows it.
    id: Uuid,
    #[command(flatten)]
    operator: OperatorArgs,
}

pub(crate) fn run(command: ApiKeyCommand, output: Output) -> Result<(), Failure> {
    block_on(async {
        match command {
            ApiKeyCommand::Create(args) => create(args, output).await,
            ApiKeyCommand::List(args) => list(&args, output).await,
            ApiKeyCommand::Expire(args) => expire(&args, output).await,
            ApiKeyCommand::Revoke(args) => {
                let api = args.operator.connect().await?;
                let path = routes::revoke_api_key(&args.account, ApiKeyId(args.id));
                let key: ApiKey = api.act(&path).await?;
                output.show(&key, description)
            }
        }
    })
}

async fn create(args: CreateArgs, output: Output) -> Result<(), Failure> {
    let expires_at = args.expires_in.map(from_now).transpose()?;
    let new = CreateApiKey { comment: args.comment, expires_at };
    let api = args.operator.connect().await?;
    let created: CreatedApiKey = api.post(&routes::api_keys(&args.account), &new).await?;
    if output == Output::Table {
        note(&description(&created.api_key));
        note("\nThis is the key. It is shown this once:");
    }
    output.show(&created, |created| created.key.clone())
}

async fn list(args: &ListArgs, output: Output) -> Result<(), Failure> {
    let api = args.operator.connect().await?;
    let keys: ApiKeys = api.get(&routes::api_keys(&args.account)).await?;
    output.show(&keys, |keys| {
        let rows = keys.api_keys.iter().map(|key| {
            [
                key.id.to_string(),
                state(key.revoked_at, key.expires_at),
                instant(key.created_at.into()),
                last_used(key.last_used_at, key.last_used_from),
                key.comment.clone(),
            ]
        });
        table(["ID", "STATE", "CREATED", "LAST USED", "COMMENT"], rows)
    })
}

async fn expire(args: &ExpireArgs, output: Output) -> Result<(), Failure> {
    let expires_at = args.expiry.expires_at()?;
    let api = args.operator.connect().await?;
    let path = routes::api_key(&args.account, ApiKeyId(args.id));
    let key: ApiKey = api.patch(&path, &ChangeApiKey { expires_at }).await?;
    output.show(&key, description)
}

fn description(key: &ApiKey) -> String {
    let mut rows = vec![
        ("id", key.id.to_string()),
        ("state", state(key.revoked_at, key.expires_at)),
        ("created", instant(key.created_at.into())),
        ("last used", last_used(key.last_used_at, key.last_used_from)),
    ];
    if !key.comment.is_empty() {
        rows.push(("comment", key.comment.clone()));
    }
    properties(rows)
}
