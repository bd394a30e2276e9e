//! `countersign token revoke`: tokens that must not be accepted any more.

use clap::{ArgGroup, Args};
use countersign_core::AccountName;
use countersign_server::api::{Account, routes};
use serde::Serialize;
use uuid::Uuid;

use super::text;
use crate::commands::block_on;
use crate::failure::Failure;
use crate::operator::OperatorArgs;
use crate::output::Output;

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").required(true))]
pub(crate) struct RevokeArgs {
    /// The token's id, `jti`, as `token inspect` shows it; or the token, `-` for one on
    /// standard input.
    // A text, because what clap cannot read it repeats, and this may be a secret.
    #[arg(group = "which")]
    token: Option<String>,
    /// Every token of this account that was issued so far.
    #[arg(long, value_name = "NAME", group = "which")]
    account: Option<AccountName>,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// What was revoked.
#[derive(Serialize)]
struct Revoked {
    token_id: Option<Uuid>,
    account: Option<Account>,
}

pub(crate) fn run(args: &RevokeArgs, output: Output) -> Result<(), Failure> {
    let token_id = args.token.as_deref().map(token_id).transpose()?;
    block_on(async {
        let api = args.operator.connect().await?;
        let mut revoked = Revoked { token_id, account: None };
        if let Some(id) = token_id {
            api.command(&routes::revoke_token(id)).await?;
        }
        if let Some(name) = &args.account {
            revoked.account = Some(api.act(&routes::revoke_tokens(name)).await?);
        }
        output.show(&revoked, |revoked| match (&revoked.token_id, &revoked.account) {
            (Some(id), _) => format!("the token {id} is refused from now on"),
            (_, Some(account)) => {
                format!("every token of {} issued so far is refused from now on", account.name)
            }
            (None, None) => String::new(),
        })
    })
}

/// The id that is given, or that of the token that is.
fn token_id(given: &str) -> Result<Uuid, Failure> {
    if let Ok(id) = given.parse() {
        return Ok(id);
    }
    let (_, claims) = text::parts(&text::token(Some(given))?)?;
    let id = claims["jti"].as_str().or(claims["token_id"].as_str());
    id.and_then(|id| id.parse().ok()).ok_or_else(|| {
        Failure::usage(
            "the token has no id (`jti`) that is a UUID: revoke all of its account with --account",
        )
    })
}
