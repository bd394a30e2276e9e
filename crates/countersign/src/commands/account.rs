//! `countersign account`: machine identities.

mod show;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};
use countersign_core::{AccountId, AccountName, GroupName};
use countersign_server::api::{
    Account, Accounts, AccountsQuery, ChangeAccount, CreateAccount, MAX_PAGE_LIMIT, routes,
};
use uuid::Uuid;

use crate::commands::block_on;
use crate::failure::Failure;
use crate::operator::{AdminApi, OperatorArgs};
use crate::output::Output;

const CREATE_EXAMPLES: &str = "\
Examples:
  countersign account create robot
  countersign account create billing-worker-7 --group billing --group eu

Then give it a key:
  countersign key add robot robot.key.pub";

#[derive(Subcommand, Debug)]
pub(crate) enum AccountCommand {
    /// Create an account.
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// List accounts by name.
    List(ListArgs),
    /// Show one account.
    Show(NamedArgs),
    /// Refuse an account from the next request on.
    Disable(NamedArgs),
    /// Accept a disabled account again.
    Enable(NamedArgs),
    /// Delete an account with its keys and JWKS endpoints.
    Delete(DeleteArgs),
    /// Replace an account's groups (none given: it is in no group).
    SetGroups(SetGroupsArgs),
}

#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// Its name: what its tokens say in `username`.
    name: AccountName,
    /// A group to put it in; may be repeated.
    #[arg(long = "group", value_name = "G")]
    groups: Vec<GroupName>,
    /// Its id, if it has one already. [default: a random one]
    #[arg(long, value_name = "UUID")]
    id: Option<Uuid>,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Only accounts in this group.
    #[arg(long, value_name = "G")]
    group: Option<GroupName>,
    /// Only accounts whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    name_contains: Option<String>,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Args, Debug)]
pub(crate) struct NamedArgs {
    /// The account's name.
    name: AccountName,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// The account's name.
    name: AccountName,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Args, Debug)]
pub(crate) struct SetGroupsArgs {
    /// The account's name.
    name: AccountName,
    /// The groups it is in from now on.
    #[arg(value_name = "G")]
    groups: Vec<GroupName>,
    #[command(flatten)]
    operator: OperatorArgs,
}

pub(crate) fn run(command: AccountCommand, output: Output) -> Result<(), Failure> {
    block_on(async {
        match command {
            AccountCommand::Create(args) => create(args, output).await,
            AccountCommand::List(args) => list(args, output).await,
            AccountCommand::Show(args) => {
                let api = args.operator.connect().await?;
                show::one(output, &api.get(&routes::account(&args.name)).await?)
            }
            AccountCommand::Disable(args) => set_disabled(&args, true, output).await,
            AccountCommand::Enable(args) => set_disabled(&args, false, output).await,
            AccountCommand::Delete(args) => delete(&args, output).await,
            AccountCommand::SetGroups(args) => {
                let change =
                    ChangeAccount { groups: Some(args.groups), ..ChangeAccount::default() };
                let api = args.operator.connect().await?;
                show::one(output, &api.patch(&routes::account(&args.name), &change).await?)
            }
        }
    })
}

async fn create(args: CreateArgs, output: Output) -> Result<(), Failure> {
    let new = CreateAccount { name: args.name, groups: args.groups, id: args.id.map(AccountId) };
    let account: Account = args.operator.connect().await?.post(routes::ACCOUNTS, &new).await?;
    show::one(output, &account)
}

async fn list(args: ListArgs, output: Output) -> Result<(), Failure> {
    let api = args.operator.connect().await?;
    let mut query = AccountsQuery {
        limit: Some(MAX_PAGE_LIMIT),
        group: args.group,
        name_contains: args.name_contains,
        ..AccountsQuery::default()
    };
    let mut all = Accounts { accounts: Vec::new(), next: None };
    loop {
        let page: Accounts = api.get(&routes::accounts(&query)).await?;
        all.accounts.extend(page.accounts);
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    show::many(output, &all)
}

async fn set_disabled(args: &NamedArgs, disabled: bool, output: Output) -> Result<(), Failure> {
    let change = ChangeAccount { disabled: Some(disabled), ..ChangeAccount::default() };
    let api = args.operator.connect().await?;
    show::one(output, &api.patch(&routes::account(&args.name), &change).await?)
}

async fn delete(args: &DeleteArgs, output: Output) -> Result<(), Failure> {
    let api = args.operator.connect().await?;
    if !args.yes {
        confirm(&api, &args.name).await?;
    }
    api.delete(&routes::account(&args.name)).await?;
    output.show(&serde_json::json!({"deleted": args.name}), |_| format!("deleted {}", args.name))
}

/// Asks at the terminal, showing which account it is; where nobody is there to
/// answer, `--yes` must have said it.
async fn confirm(api: &AdminApi, name: &AccountName) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format_args!(
            "deleting {name} cannot be undone: add --yes to do it without being asked"
        )));
    }
    let account: Account = api.get(&routes::account(name)).await?;
    let mut stderr = io::stderr().lock();
    write!(stderr, "Delete account {} ({}) with all its keys? [y/N] ", account.name, account.id)?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::refused("nothing was deleted")),
    }
}
