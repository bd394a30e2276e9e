//! One account's page, and what is done to the account itself.

use askama::Template;
use axum::extract::Extension;
use axum::response::{IntoResponse as _, Redirect, Response};
use countersign_core::AccountName;

use super::accounts::{after_deletion, invalid, read_groups};
use super::notice::{self, Notice};
use super::page::{Frame, Refused, Section, shown};
use super::submission::{AccountForm, Question};
use super::view::{Instant, KeyView, LastUse, Named, Now, Standing};
use super::visitor::Visitor;
use super::{Console, State, paths};
use crate::api::{self, ChangeAccount, Problem};
use crate::internal::extract::{Actor, InPath, StrictJson, StrictQuery};
use crate::internal::{accounts as call, api_keys, jwks_endpoints, public_keys};

#[derive(Template)]
#[template(path = "console/account.html")]
struct AccountPage {
    frame: Frame,
    name: Named,
    path: String,
    id: String,
    groups: String,
    group_names: Vec<String>,
    disabled: bool,
    registered: bool,
    created: Instant,
    tokens_revoked: Option<Instant>,
    last_use: Option<LastUse>,
    keys: Vec<KeyView>,
    /// Nothing, where there are not two good keys.
    rotation: Option<Rotation>,
    endpoints: Vec<Endpoint>,
    api_keys: Option<Vec<ApiKeyView>>,
    /// What was typed into the form for a key, where something else is to be mended.
    typed: TypedKey,
    /// Whether its account was just disabled, which can be undone at once.
    undo: bool,
}

/// What was typed into the form for a key.
#[derive(Default)]
struct TypedKey {
    key: String,
    comment: String,
    expires: String,
}

/// How far the replacement of a key has come: what is known of the newest good key, and which
/// other good ones were used since it was added.
struct Rotation {
    newest: String,
    newest_used: bool,
    others: usize,
    used_since: Vec<Used>,
}

/// Another good key that some caller still uses.
struct Used {
    key: String,
    at: Instant,
}

struct Endpoint {
    url: String,
    keys: usize,
    fetched: Option<Instant>,
    attempted: Option<Instant>,
    error: Option<String>,
}

struct ApiKeyView {
    id: String,
    comment: Named,
    standing: Standing,
    created: Instant,
    expires: Option<Instant>,
    revoked: Option<Instant>,
    last_use: Option<LastUse>,
    revoke: String,
}

/// What a page says after something was done; its address carries only the word.
const DONE: &[(&str, &str)] = &[
    ("created", "The account was made. Add a public key, or make an API key for it."),
    ("disabled", "The account is disabled: its requests are refused from now on."),
    ("enabled", "The account is enabled again."),
    ("groups", "The groups were changed. That holds for the next request."),
    (
        "tokens",
        "Every access token of this account that was issued so far is refused here. Services that \
         verify tokens by the JWKS alone believe them until they expire.",
    ),
    (
        "key-added",
        "The key was added. Unless its account is disabled, it is good from the next request on.",
    ),
    ("key-revoked", "The key was revoked: it is refused from the next request on, for good."),
    ("endpoint-added", "The JWKS endpoint was added. It is fetched in a moment."),
    ("endpoint-removed", "The JWKS endpoint was removed: its keys are refused from now on."),
    (
        "api-key-revoked",
        "The API key was revoked. It and the tokens that it bought are refused here; services that \
         verify tokens by the JWKS alone believe those until they expire.",
    ),
];

/// Leads back to an account's page, which says that this was done.
pub(super) fn back_to(visitor: &Visitor, name: &AccountName, done: &str) -> Response {
    Redirect::to(&notice::path_with(&paths::account(name), visitor, done)).into_response()
}

/// Shows an account.
pub(super) async fn show(
    axum::extract::State(console): State,
    Extension(visitor): Extension<Visitor>,
    InPath(name): InPath,
    StrictQuery(notice): StrictQuery<Notice>,
) -> Result<Response, Problem> {
    let word = notice.word(&visitor, &paths::account(&name));
    let done = DONE.iter().find(|(known, _)| word == Some(known)).map(|(_, text)| *text);
    let frame = Frame::new(&visitor, Section::Accounts).done(done);
    let mut page = console.account_page(&name, frame).await?;
    page.undo = word == Some("disabled") && page.disabled;
    Ok(shown(&page.frame, &page))
}

/// Does one thing to the account itself: the field `act` says which.
pub(super) async fn change(
    axum::extract::State(console): State,
    AccountForm { account, form }: AccountForm,
) -> Result<Response, Problem> {
    match console.change_account(&account, &form).await {
        Ok(done) => Ok(back_to(&form.visitor, &account.name, done)),
        Err(refused) => console.refused(&account.name, &form, refused).await,
    }
}

/// Deletes the account, if its name was typed.
pub(super) async fn delete(
    axum::extract::State(console): State,
    AccountForm { account, form }: AccountForm,
) -> Result<Response, Problem> {
    match console.delete_account(&account, &form).await {
        Ok(()) => Ok(after_deletion(&form.visitor)),
        Err(refused) => console.refused(&account.name, &form, refused).await,
    }
}

impl Console {
    /// An account's page with what went wrong and what was typed.
    pub(super) async fn refused(
        &self,
        name: &AccountName,
        form: &Question,
        refused: Refused,
    ) -> Result<Response, Problem> {
        let frame = Frame::new(&form.visitor, Section::Accounts).refused(refused);
        let mut page = self.account_page(name, frame).await?;
        page.typed = TypedKey::of(form);
        Ok(shown(&page.frame, &page))
    }

    async fn change_account(
        &self,
        account: &api::Account,
        form: &Question,
    ) -> Result<&'static str, Refused> {
        let store = axum::extract::State(self.administration.store.clone());
        let (path, actor) = (InPath(account.name.clone()), Actor(form.visitor.act.clone()));
        let (change, done) = match form.text("act") {
            "disable" => (ChangeAccount { disabled: Some(true), groups: None }, "disabled"),
            "enable" => (ChangeAccount { disabled: Some(false), groups: None }, "enabled"),
            "groups" => {
                // What somebody else has changed meanwhile is not taken back by accident.
                if read_groups(form.text("former-groups"))? != account.groups {
                    let changed = "they were changed since the page was shown: look again";
                    return Err(invalid("groups", &changed));
                }
                let groups = Some(read_groups(form.text("groups"))?);
                (ChangeAccount { disabled: None, groups }, "groups")
            }
            "revoke-tokens" => {
                return Ok(call::revoke_tokens(store, path, actor).await.map(|_| "tokens")?);
            }
            _ => return Err(invalid("act", &"there is no such act")),
        };
        Ok(call::change(store, path, actor, StrictJson(change)).await.map(|_| done)?)
    }

    async fn delete_account(&self, account: &api::Account, form: &Question) -> Result<(), Refused> {
        if form.text("name") != account.name.as_str() {
            return Err(invalid("name", &"type the account's name to delete it"));
        }
        let store = axum::extract::State(self.administration.store.clone());
        let path = InPath(account.name.clone());
        call::delete(store, path, Actor(form.visitor.act.clone())).await?;
        Ok(())
    }

    async fn account_page(&self, name: &AccountName, frame: Frame) -> Result<AccountPage, Problem> {
        let now = Now::of(&*self.clock);
        let store = || axum::extract::State(self.administration.store.clone());
        let path = || InPath(name.clone());
        let account = call::show(store(), path()).await?.0;
        let keys = public_keys::list(store(), path()).await?.0.keys;
        let endpoints = jwks_endpoints::list(store(), path()).await?.0.endpoints;
        let api_keys = match &self.tokens {
            Some(tokens) => {
                let state = axum::extract::State(tokens.clone());
                Some(api_keys::list(state, path()).await?.0.api_keys)
            }
            None => None,
        };
        let group_names: Vec<_> = account.groups.iter().map(ToString::to_string).collect();
        Ok(AccountPage {
            frame,
            name: name.to_string().into(),
            path: paths::account(name),
            id: account.id.to_string(),
            groups: group_names.join(" "),
            group_names,
            disabled: account.disabled,
            registered: account.registered,
            created: now.instant(account.created_at),
            tokens_revoked: account.tokens_revoked_at.map(|at| now.instant(at)),
            last_use: now.last_use(account.last_used_at, account.last_used_from),
            rotation: Rotation::of(&keys, now),
            keys: keys
                .into_iter()
                .rev()
                .map(|key| {
                    let revoke = paths::revoke_key(name, &key.fingerprints.openssh);
                    KeyView::new(key, revoke, now)
                })
                .collect(),
            endpoints: endpoints.into_iter().map(|endpoint| Endpoint::new(endpoint, now)).collect(),
            api_keys: api_keys.map(|keys| {
                keys.into_iter().rev().map(|key| ApiKeyView::new(name, key, now)).collect()
            }),
            typed: TypedKey::default(),
            undo: false,
        })
    }
}

impl TypedKey {
    /// A private key is not sent back: it should not have come here.
    fn of(form: &Question) -> Self {
        let key = Some(form.text("key")).filter(|text| !text.contains("PRIVATE"));
        Self {
            key: key.unwrap_or_default().to_owned(),
            comment: form.text("comment").to_owned(),
            expires: form.text("expires").to_owned(),
        }
    }
}

impl Rotation {
    /// Of keys in the order of their registration.
    fn of(keys: &[api::PublicKey], now: Now) -> Option<Self> {
        let is_good =
            |key: &&api::PublicKey| now.standing(key.revoked_at, key.expires_at) == Standing::Good;
        let name = |key: &api::PublicKey| match key.comment.as_str() {
            "" => key.fingerprints.openssh.clone(),
            comment => format!("{} ({comment})", key.fingerprints.openssh),
        };
        let mut good = keys.iter().rev().filter(is_good);
        let newest = good.next()?;
        let others: Vec<_> = good.collect();
        let used_since = others.iter().filter_map(|key| {
            let at = key.last_used_at.filter(|at| *at > newest.created_at)?;
            Some(Used { key: name(key), at: now.instant(at) })
        });
        (!others.is_empty()).then(|| Self {
            newest: name(newest),
            newest_used: newest.last_used_at.is_some(),
            others: others.len(),
            used_since: used_since.collect(),
        })
    }
}

impl Endpoint {
    fn new(endpoint: api::JwksEndpoint, now: Now) -> Self {
        Self {
            url: endpoint.url,
            keys: endpoint.keys,
            fetched: endpoint.fetched_at.map(|at| now.instant(at)),
            attempted: endpoint.attempted_at.map(|at| now.instant(at)),
            error: endpoint.error,
        }
    }
}

impl ApiKeyView {
    fn new(account: &AccountName, key: api::ApiKey, now: Now) -> Self {
        Self {
            id: key.id.to_string(),
            comment: key.comment.into(),
            standing: now.standing(key.revoked_at, key.expires_at),
            created: now.instant(key.created_at),
            expires: key.expires_at.map(|at| now.instant(at)),
            revoked: key.revoked_at.map(|at| now.instant(at)),
            last_use: now.last_use(key.last_used_at, key.last_used_from),
            revoke: paths::revoke_api_key(account, key.id),
        }
    }
}
