//! How accounts are shown.

use countersign_server::api::{Account, Accounts};

use crate::failure::Failure;
use crate::output::{Output, instant, properties, table};

/// One account, a property per line.
pub(super) fn one(output: Output, account: &Account) -> Result<(), Failure> {
    output.show(account, |account| {
        properties([
            ("name", account.name.to_string()),
            ("id", account.id.to_string()),
            ("groups", groups(account)),
            ("state", state(account).to_owned()),
            ("created", instant(Some(account.created_at))),
            ("last used", last_used(account)),
        ])
    })
}

/// Accounts, one per line.
pub(super) fn many(output: Output, accounts: &Accounts) -> Result<(), Failure> {
    output.show(accounts, |accounts| {
        let rows = accounts.accounts.iter().map(|account| {
            [
                account.name.to_string(),
                state(account).to_owned(),
                groups(account),
                last_used(account),
                account.id.to_string(),
            ]
        });
        table(["NAME", "STATE", "GROUPS", "LAST USED", "ID"], rows)
    })
}

fn state(account: &Account) -> &'static str {
    if account.disabled { "disabled" } else { "enabled" }
}

fn groups(account: &Account) -> String {
    if account.groups.is_empty() {
        return "-".to_owned();
    }
    account.groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn last_used(account: &Account) -> String {
    match account.last_used_from {
        Some(from) => format!("{} from {from}", instant(account.last_used_at)),
        None => instant(account.last_used_at),
    }
}
