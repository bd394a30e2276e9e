//! `/v1/accounts` and `/v1/accounts/{name}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use countersign_core::ports::{
    AccountChange, AccountCondition, AccountFilter, AdminStore, NewAccount,
};
use countersign_core::{AccountId, AccountName, GroupName, MAX_ACCOUNT_NAME_BYTES, MAX_GROUPS};
use http::StatusCode;
use http::header::LOCATION;
use jiff::Timestamp;

use super::Administration;
use super::documented;
use super::extract::{
    AccountNamed, Actor, InPath, StrictJson, StrictQuery, check_text, next, page,
};
use super::problems::Kind;
use crate::api::{
    Account, Accounts, AccountsQuery, ChangeAccount, CreateAccount, Problem, routes, to_unix_time,
};

/// Lists accounts.
#[utoipa::path(
    get,
    path = routes::ACCOUNTS,
    operation_id = "list_accounts",
    tag = "Accounts",
    params(AccountsQuery),
    responses((status = 200, description = "The accounts, in order of their names.", body = Accounts))
)]
pub(super) async fn list(
    State(store): State<Arc<dyn AdminStore>>,
    StrictQuery(query): StrictQuery<AccountsQuery>,
) -> Result<Json<Accounts>, Problem> {
    let page = page(query.after, query.limit)?;
    let limit = page.limit;
    if query.name_contains.as_ref().is_some_and(|text| text.len() > MAX_ACCOUNT_NAME_BYTES) {
        return Err(Kind::InvalidRequest.problem("`name_contains` is longer than any name"));
    }
    check_text("`name_contains`", query.name_contains.as_deref().unwrap_or_default())?;
    let condition = match (query.key_expires_after, query.key_expires_before) {
        (None, None) => None,
        (after, before) => {
            let after = after.unwrap_or(Timestamp::UNIX_EPOCH);
            let before = before.unwrap_or(Timestamp::MAX);
            Some(AccountCondition::KeyExpires(to_unix_time(after), to_unix_time(before)))
        }
    };
    let filter =
        AccountFilter { group: query.group, name_contains: query.name_contains, condition };
    let accounts = store.accounts(&filter, page).await?;
    let next = next(&accounts, limit, |account| account.name.clone());
    Ok(Json(Accounts { accounts: accounts.into_iter().map(Into::into).collect(), next }))
}

/// Makes an account.
#[utoipa::path(
    post,
    path = routes::ACCOUNTS,
    operation_id = "create_account",
    tag = "Accounts",
    request_body = CreateAccount,
    responses((status = 201, description = "The new account.", body = Account, headers(("Location" = String, description = "Where the account is."))), documented::CreateAccount)
)]
pub(super) async fn create(
    State(state): State<Administration>,
    Actor(act): Actor,
    StrictJson(new): StrictJson<CreateAccount>,
) -> Result<impl IntoResponse, Problem> {
    let id = new.id.unwrap_or_else(|| AccountId::draw(&*state.random));
    check_name(&new.name, id)?;
    let groups = check_groups(new.groups)?;
    let new = NewAccount { id, name: new.name, groups };
    let account = state.store.create_account(&act, new).await?;
    let location = routes::account(&account.name);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(Account::from(account))))
}

/// Shows an account.
#[utoipa::path(
    get,
    path = routes::ACCOUNT,
    operation_id = "show_account",
    tag = "Accounts",
    params(AccountNamed),
    responses((status = 200, description = "The account.", body = Account), documented::OfAccount)
)]
pub(super) async fn show(
    State(store): State<Arc<dyn AdminStore>>,
    InPath(name): InPath,
) -> Result<Json<Account>, Problem> {
    let account = store.account(&name).await?.ok_or_else(|| no_such_account(&name))?;
    Ok(Json(account.into()))
}

/// Disables or enables an account, or replaces its groups.
#[utoipa::path(
    patch,
    path = routes::ACCOUNT,
    operation_id = "change_account",
    tag = "Accounts",
    params(AccountNamed),
    request_body = ChangeAccount,
    responses((status = 200, description = "The account as it is now.", body = Account), documented::ChangeAccount)
)]
pub(super) async fn change(
    State(store): State<Arc<dyn AdminStore>>,
    InPath(name): InPath,
    Actor(act): Actor,
    StrictJson(change): StrictJson<ChangeAccount>,
) -> Result<Json<Account>, Problem> {
    let change = match (change.disabled, change.groups) {
        (Some(disabled), None) => AccountChange::SetDisabled(disabled),
        (None, Some(groups)) => AccountChange::SetGroups(check_groups(groups)?),
        _ => {
            return Err(Kind::InvalidRequest
                .problem("the body: give either `disabled` or `groups`, one act at a time"));
        }
    };
    let changed = store.change_account(&act, &name, change).await?;
    Ok(Json(changed.ok_or_else(|| no_such_account(&name))?.into()))
}

/// Refuses every access token of an account that was issued so far.
#[utoipa::path(
    post,
    path = routes::REVOKE_TOKENS,
    operation_id = "revoke_tokens",
    tag = "Accounts",
    params(AccountNamed),
    responses((status = 200, description = "The account as it is now.", body = Account), documented::OfAccount)
)]
pub(super) async fn revoke_tokens(
    State(store): State<Arc<dyn AdminStore>>,
    InPath(name): InPath,
    Actor(act): Actor,
) -> Result<Json<Account>, Problem> {
    let changed = store.change_account(&act, &name, AccountChange::RevokeTokens).await?;
    Ok(Json(changed.ok_or_else(|| no_such_account(&name))?.into()))
}

/// Deletes an account with its keys and endpoints.
#[utoipa::path(
    delete,
    path = routes::ACCOUNT,
    operation_id = "delete_account",
    tag = "Accounts",
    params(AccountNamed),
    responses((status = 204, description = "It is gone."), documented::ChangeAccount)
)]
pub(super) async fn delete(
    State(store): State<Arc<dyn AdminStore>>,
    InPath(name): InPath,
    Actor(act): Actor,
) -> Result<StatusCode, Problem> {
    if store.delete_account(&act, &name).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_such_account(&name))
    }
}

pub(super) fn no_such_account(name: &AccountName) -> Problem {
    Kind::NoSuchAccount.problem(format_args!("there is no account called {name}: list them"))
}

/// A name must be able to stand in a URL: clients resolve `.` and `..` away,
/// percent-encoded or not, so such an account could never be addressed again.
fn check_name(name: &AccountName, id: AccountId) -> Result<(), Problem> {
    let invalid = |error: &dyn std::fmt::Display| {
        Kind::InvalidRequest.problem(format_args!("`name` in the body: {error}"))
    };
    if matches!(name.as_str(), "." | "..") {
        return Err(invalid(&"a name of dots cannot stand in a URL"));
    }
    name.check_owner(id).map_err(|error| invalid(&error))
}

/// Sorted and each once, as they are stored.
fn check_groups(mut groups: Vec<GroupName>) -> Result<Vec<GroupName>, Problem> {
    groups.sort_unstable();
    groups.dedup();
    if groups.len() > MAX_GROUPS {
        return Err(Kind::InvalidRequest
            .problem(format_args!("`groups` in the body: at most {MAX_GROUPS} are allowed")));
    }
    Ok(groups)
}
