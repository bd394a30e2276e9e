//! The list of accounts, and the form for a new one.

use std::time::Duration;

use askama::Template;
use axum::extract::Extension;
use axum::response::{IntoResponse as _, Redirect, Response};
use countersign_core::ports::{Account, AccountCondition, AccountFilter, Page};
use countersign_core::{AccountName, GroupName, UnixTime};
use http::{HeaderMap, HeaderName};
use serde::Deserialize;

use super::notice::{self, Notice};
use super::page::{Frame, Refused, Section, rendered, shown};
use super::submission::{Change, Question};
use super::view::{Instant, LastUse, Named, Now};
use super::visitor::Visitor;
use super::{Console, State, paths};
use crate::api::{self, CreateAccount, Problem};
use crate::internal::accounts as call;
use crate::internal::extract::{Actor, StrictJson, StrictQuery, check_text};
use crate::internal::problems::Kind;

/// How many accounts a page has.
const PAGE: u32 = 50;
/// How long an account is not used before it is shown as unused.
const UNUSED_FOR: Duration = Duration::from_hours(90 * 24);
/// How soon a key expires that is shown as expiring.
const EXPIRES_WITHIN: Duration = Duration::from_hours(14 * 24);
/// The word for the act that leads from an account's page to here.
const DELETED: &str = "deleted";
/// What the address says of the order that is not the one by name.
const NEWEST: &str = "newest";

/// What the page's address says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    search: String,
    group: String,
    /// A condition: `disabled`, `unused` or `expiring`.
    show: String,
    /// The order: by name, or `newest`.
    sort: String,
    /// The last account of the page before, and when it was made, in microseconds.
    after: String,
    made: Option<i64>,
}

#[derive(Template)]
#[template(path = "console/accounts.html")]
struct AccountsPage {
    frame: Frame,
    wanted: Wanted,
    rows: Vec<Row>,
    /// Where the accounts behind these are.
    next: Option<String>,
    /// What was typed into the form for a new one.
    new_name: String,
    new_groups: String,
}

/// The rows alone, for who types into the search.
#[derive(Template)]
#[template(path = "console/accounts.html", block = "rows")]
struct Rows {
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    name: Named,
    path: String,
    groups: Vec<String>,
    disabled: bool,
    created: Instant,
    last_use: Option<LastUse>,
}

/// Shows accounts.
pub(super) async fn list(
    axum::extract::State(console): State,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    StrictQuery(wanted): StrictQuery<Wanted>,
    StrictQuery(notice): StrictQuery<Notice>,
) -> Result<Response, Problem> {
    let (rows, next) = console.accounts(&wanted).await?;
    if headers.contains_key(HeaderName::from_static("hx-request")) {
        return Ok(rendered(&Rows { rows, next }));
    }
    let done = notice.word(&visitor, paths::ACCOUNTS);
    let done = (done == Some(DELETED)).then_some("The account was deleted, with its credentials.");
    let frame = Frame::new(&visitor, Section::Accounts).done(done);
    let page = AccountsPage {
        rows,
        next,
        wanted,
        new_name: String::new(),
        new_groups: String::new(),
        frame,
    };
    Ok(shown(&page.frame, &page))
}

/// Makes an account and leads to its page.
pub(super) async fn create(
    axum::extract::State(console): State,
    Change(form): Change,
) -> Result<Response, Problem> {
    match console.create_account(&form).await {
        Ok(name) => Ok(super::account::back_to(&form.visitor, &name, "created")),
        Err(refused) => {
            let (rows, next) = console.accounts(&Wanted::default()).await?;
            let page = AccountsPage {
                frame: Frame::new(&form.visitor, Section::Accounts).refused(refused),
                wanted: Wanted::default(),
                rows,
                next,
                new_name: form.text("name").to_owned(),
                new_groups: form.text("groups").to_owned(),
            };
            Ok(shown(&page.frame, &page))
        }
    }
}

impl Console {
    async fn accounts(&self, wanted: &Wanted) -> Result<(Vec<Row>, Option<String>), Problem> {
        let (filter, now) = (wanted.filter(self.clock.now())?, Now::of(&*self.clock));
        let store = &self.administration.store;
        let after = match wanted.after.as_str() {
            "" => None,
            name => Some(account_name(name)?),
        };
        // One more than a page has, to know whether there is another.
        let limit = PAGE + 1;
        let mut accounts = if wanted.sort == NEWEST {
            let after = wanted.made.map(UnixTime::from_micros).zip(after);
            store.newest_accounts(&filter, Page { after, limit }).await?
        } else {
            store.accounts(&filter, Page { after, limit }).await?
        };
        let more = accounts.len() > PAGE as usize;
        accounts.truncate(PAGE as usize);
        let next = accounts.last().filter(|_| more).map(|last| wanted.path_behind(last));
        let row = |account: Account| Row::new(account.into(), now);
        Ok((accounts.into_iter().map(row).collect(), next))
    }

    async fn create_account(&self, form: &Question) -> Result<AccountName, Refused> {
        let name = account_name(form.text("name"))?;
        let new = CreateAccount {
            name: name.clone(),
            groups: read_groups(form.text("groups"))?,
            id: None,
        };
        let state = axum::extract::State(self.administration.clone());
        call::create(state, Actor(form.visitor.act.clone()), StrictJson(new)).await?;
        Ok(name)
    }
}

impl Wanted {
    fn filter(&self, now: UnixTime) -> Result<AccountFilter, Problem> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        check_text("the search", &self.search)?;
        let group = given(&self.group).map(|group| GroupName::new(&group));
        let condition = match self.show.as_str() {
            "" => None,
            "disabled" => Some(AccountCondition::Disabled),
            "unused" => Some(AccountCondition::UnusedSince(now - UNUSED_FOR)),
            "expiring" => Some(AccountCondition::KeyExpires(now, now + EXPIRES_WITHIN)),
            _ => return Err(invalid("show", &"there is no such condition").into()),
        };
        Ok(AccountFilter {
            group: group.transpose().map_err(|error| invalid("group", &error))?,
            name_contains: given(&self.search),
            condition,
        })
    }

    fn path_behind(&self, last: &Account) -> String {
        let made = last.created_at.as_micros().to_string();
        let made = if self.sort == NEWEST { &*made } else { "" };
        let pairs = [
            ("search", &*self.search),
            ("group", &*self.group),
            ("show", &*self.show),
            ("sort", &*self.sort),
            ("after", last.name.as_str()),
            ("made", made),
        ];
        paths::with_query(paths::ACCOUNTS, &pairs)
    }

    fn has(&self, show: &str) -> bool {
        self.show == show
    }

    fn newest_first(&self) -> bool {
        self.sort == NEWEST
    }
}

impl Row {
    fn new(account: api::Account, now: Now) -> Self {
        Self {
            path: paths::account(&account.name),
            name: String::from(account.name).into(),
            groups: account.groups.into_iter().map(Into::into).collect(),
            disabled: account.disabled,
            created: now.instant(account.created_at),
            last_use: now.last_use(account.last_used_at, account.last_used_from),
        }
    }
}

/// Names of groups, between blanks or commas.
pub(super) fn read_groups(text: &str) -> Result<Vec<GroupName>, Refused> {
    text.split([',', ' ', '\t', '\r', '\n'])
        .filter(|name| !name.is_empty())
        .map(|name| GroupName::new(name).map_err(|error| invalid("groups", &error)))
        .collect()
}

fn account_name(text: &str) -> Result<AccountName, Refused> {
    AccountName::new(text).map_err(|error| invalid("name", &error))
}

/// A field does not have what belongs there.
pub(super) fn invalid(field: &'static str, error: &dyn std::fmt::Display) -> Refused {
    let problem = Kind::InvalidRequest.problem(format_args!("the field `{field}`: {error}"));
    Refused { problem, field: Some(field) }
}

/// Leads to the accounts, of which one was deleted.
pub(super) fn after_deletion(visitor: &Visitor) -> Response {
    Redirect::to(&notice::path_with(paths::ACCOUNTS, visitor, DELETED)).into_response()
}
