//! The console: pages for operators at `/console` on the internal listener.
//!
//! A visitor comes in with a link that the command line asked for with a signed request
//! ([`sign_in`]), gets a session, and passes the door ([`visitor`]) with every request from
//! then on. The pages decide nothing about accounts and keys: they call the handlers of the
//! administration API and show what these answer.

mod account;
mod accounts;
mod assets;
mod audit;
mod credentials;
mod headers;
mod notice;
mod page;
mod paths;
pub(super) mod problem_page;
mod refusals;
mod secrets;
pub(super) mod sign_in;
mod signing_keys;
mod submission;
mod view;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::{get, post};
use countersign_core::ports::Directory;
use countersign_core::{Authenticator, Clock, Random};

use super::Administration;
use super::api_keys::Tokens;
use super::bodies::Bodies;
use super::problems::Kind;
use super::same_site::Scheme;
use crate::refusals::RecentRefusals;
pub(super) use paths::HOME;
pub(super) use sign_in::Visitors;

/// What the pages work with.
pub(super) struct Console {
    pub(super) administration: Administration,
    pub(super) tokens: Option<Tokens>,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) scheme: Scheme,
    pub(super) bodies: Arc<Bodies>,
    pub(super) public_authenticator: Arc<Authenticator>,
    pub(super) refusals: Arc<RecentRefusals>,
    pub(super) visitors: Visitors,
}

type State = axum::extract::State<Arc<Console>>;

/// The pages.
pub(super) fn routes(console: Console) -> Router {
    let console = Arc::new(console);
    let behind_the_door = Router::new()
        .route(paths::HOME, get(home))
        .route(paths::HOME_WITH_SLASH, get(home))
        .route(paths::SIGN_OUT, post(sign_in::sign_out))
        .route(paths::ACCOUNTS, get(accounts::list).post(accounts::create))
        .route(paths::ACCOUNT, get(account::show))
        .route(paths::CHANGE_ACCOUNT, post(account::change))
        .route(paths::DELETE_ACCOUNT, post(account::delete))
        .route(paths::CHECK_KEY, post(credentials::check_key))
        .route(paths::ADD_KEY, post(credentials::add_key))
        .route(paths::REVOKE_KEY, post(credentials::revoke_key))
        .route(paths::ADD_ENDPOINT, post(credentials::add_endpoint))
        .route(paths::REMOVE_ENDPOINT, post(credentials::remove_endpoint))
        .route(paths::CREATE_API_KEY, post(credentials::create_api_key))
        .route(paths::REVOKE_API_KEY, post(credentials::revoke_api_key))
        .route(paths::SIGNING_KEYS, get(signing_keys::show))
        .route(paths::ROTATE_SIGNING_KEYS, post(signing_keys::rotate))
        .route(paths::SIGNING_KEY_PEM, get(signing_keys::pem))
        .route(paths::REFUSALS, get(refusals::show).post(refusals::examine))
        .route(paths::AUDIT, get(audit::show))
        .route(paths::AUDIT_EXPORT, get(audit::export))
        .route(paths::ANYTHING, get(nothing_here).fallback(nothing_here))
        .method_not_allowed_fallback(nothing_here)
        .layer(from_fn_with_state(Arc::clone(&console), visitor::enter));
    let open = Router::new().route(paths::SIGN_IN, get(sign_in::show).post(sign_in::sign_in));
    open.merge(behind_the_door).with_state(console).merge(assets::routes())
}

async fn home() -> Redirect {
    Redirect::to(paths::ACCOUNTS)
}

async fn nothing_here() -> axum::response::Response {
    Kind::NoSuchRoute.problem("there is no such page").into_response()
}
