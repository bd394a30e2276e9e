//! Users of Django with `asymmetric_jwt_auth`, their public keys and JWKS URLs.
//!
//! What a user may do there is not taken over: neither groups nor staff nor superuser.

use countersign_core::ports::{NewAccount, NewPublicKey};
use countersign_core::{AccountId, AccountName, NameError, PublicKey, ReadPublicKeyError};
use countersign_server::api::MAX_COMMENT_BYTES;
use countersign_store::{
    ForeignAccount, ForeignDatabase, ForeignEndpoint, ForeignPublicKey, ImportStore as _,
    ImportedAccount, JwksRules, JwksUrl, JwksUrlError,
};
use countersign_system::{SystemRandom, random_account_id};
use uuid::Uuid;

use super::report::{Outcome, Report};
use super::target::Target;
use super::{source, target};
use crate::failure::Failure;

const USERS: &str = "auth_user";
const KEYS: &str = "asymmetric_jwt_auth_publickey";
const TRUSTS: &str = "asymmetric_jwt_auth_jwksendpointtrust";

/// Why a row cannot be imported.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("its username is NULL")]
    NoName,
    #[error("its username {0:?} cannot be an account's: {1}")]
    Name(String, NameError),
    #[error("its key is NULL")]
    NoKey,
    #[error("{0}")]
    Key(#[from] ReadPublicKeyError),
    #[error("its jwks_url is NULL")]
    NoUrl,
    #[error("{0}")]
    Url(#[from] JwksUrlError),
    #[error("its user {0} was left out")]
    UserLeftOut(i64),
    #[error("its user is not there")]
    NoUser,
}

/// Imports all rows.
///
/// # Errors
/// A [`Failure`] if a database does not answer; what was imported before stays.
pub(super) async fn import(
    source: &mut ForeignDatabase,
    target: &Target,
    report: &mut Report,
) -> Result<(), Failure> {
    source.check_asymmetric_jwt_auth().await.map_err(source::failure)?;
    let mut after = None;
    loop {
        let users = source.accounts(after).await.map_err(source::failure)?;
        let Some(last) = users.last() else { break };
        after = Some(last.id);
        for user in &users {
            if user.keys.is_empty() && user.endpoints.is_empty() {
                report.without_credentials();
            } else {
                import_user(user, target, report).await?;
            }
        }
    }
    let (keys, trusts) = source.without_account().await.map_err(source::failure)?;
    let strays = keys.into_iter().map(|row| (KEYS, row));
    for (table, row) in strays.chain(trusts.into_iter().map(|row| (TRUSTS, row))) {
        report.row(table, row, (left_out(&Unfit::NoUser), None))?;
    }
    Ok(())
}

async fn import_user(
    user: &ForeignAccount,
    target: &Target,
    report: &mut Report,
) -> Result<(), Failure> {
    let name = match read_name(user) {
        Ok(name) => name,
        Err(unfit) => return report_unfit(user, &unfit, report),
    };
    let keys: Vec<_> = user.keys.iter().map(read_key).collect();
    let rules = target.jwks_rules;
    let urls: Vec<_> = user.endpoints.iter().map(|trust| read_url(trust, rules)).collect();
    // A name that has the form of a UUID is that account's own.
    let id = match Uuid::try_parse(name.as_str()) {
        Ok(id) => AccountId(id),
        Err(_) => random_account_id(&SystemRandom),
    };
    let account = ImportedAccount {
        account: NewAccount { id, name: name.clone(), groups: Vec::new() },
        disabled: !user.is_active,
        keys: keys.iter().flatten().cloned().collect(),
        endpoints: urls.iter().flatten().cloned().collect(),
    };
    let imported = target.store.import_account(&target.act, &account, target.mode).await;
    let imported = imported.map_err(target::failure)?;
    let account = Some(name.as_str());
    report.row(USERS, user.id, (imported.account.into(), account))?;
    let rows = user.keys.iter().map(|key| (KEYS, key.id)).zip(outcomes(&keys, imported.keys));
    let trusts = user.endpoints.iter().map(|trust| (TRUSTS, trust.id));
    for ((table, row), outcome) in rows.chain(trusts.zip(outcomes(&urls, imported.endpoints))) {
        report.row(table, row, (outcome, account))?;
    }
    Ok(())
}

/// What became of each: the store judged those that could be read.
fn outcomes<T>(
    read: &[Result<T, Unfit>],
    judged: Vec<countersign_store::ImportOutcome>,
) -> Vec<Outcome> {
    let mut judged = judged.into_iter();
    let missing = || Outcome::LeftOut("the store did not judge it".to_owned());
    let outcome = |read: &Result<T, Unfit>| match read {
        Ok(_) => judged.next().map_or_else(missing, Outcome::from),
        Err(unfit) => left_out(unfit),
    };
    read.iter().map(outcome).collect()
}

fn report_unfit(user: &ForeignAccount, unfit: &Unfit, report: &mut Report) -> Result<(), Failure> {
    report.row(USERS, user.id, (left_out(unfit), None))?;
    let keys = user.keys.iter().map(|key| (KEYS, key.id));
    for (table, row) in keys.chain(user.endpoints.iter().map(|trust| (TRUSTS, trust.id))) {
        report.row(table, row, (left_out(&Unfit::UserLeftOut(user.id)), None))?;
    }
    Ok(())
}

fn left_out(unfit: &Unfit) -> Outcome {
    Outcome::LeftOut(unfit.to_string())
}

fn read_name(user: &ForeignAccount) -> Result<AccountName, Unfit> {
    let name = user.username.as_deref().ok_or(Unfit::NoName)?;
    AccountName::new(name).map_err(|error| Unfit::Name(name.to_owned(), error))
}

fn read_key(row: &ForeignPublicKey) -> Result<NewPublicKey, Unfit> {
    let file = PublicKey::read(row.key.as_deref().ok_or(Unfit::NoKey)?.as_bytes())?;
    let given = row.comment.as_deref().filter(|comment| !comment.is_empty());
    let comment = given.or(file.comment.as_deref()).unwrap_or_default();
    Ok(NewPublicKey { comment: shortened(comment), key: file.key, expires_at: None })
}

fn read_url(row: &ForeignEndpoint, rules: JwksRules) -> Result<String, Unfit> {
    let url = JwksUrl::parse(row.jwks_url.as_deref().ok_or(Unfit::NoUrl)?, &rules)?;
    Ok(url.as_str().to_owned())
}

/// A comment as the administration API would take it.
fn shortened(comment: &str) -> String {
    let printable: String = comment.chars().filter(|c| !c.is_control()).collect();
    let end = printable.floor_char_boundary(MAX_COMMENT_BYTES);
    printable[..end].to_owned()
}
