//! `countersign token revoke`: tokens that must not be accepted any more.

use clap::{ArgGroup, Args};
use countersign_core::AccountName;
use countersign_server::api::{Account, routes};
use serde::Serialize;
use uuid::Uuid;

use crate::commands::block_on;
use crate::failure::Failure;
use crate::operator::OperatorArgs;
use crate::output::Output;

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").required(true))]
pub(crate) struct RevokeArgs {
    /// The token's id: `jti` or `token_id`, as `token inspect` shows it.
    #[arg(group = "which")]
    jti: Option<Uuid>,
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
    block_on(async {
        let api = args.operator.connect().await?;
        let mut revoked = Revoked { token_id: args.jti, account: None };
        if let Some(id) = args.jti {
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
