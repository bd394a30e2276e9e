//! What is done to an account's keys, JWKS endpoints and API keys.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use countersign_core::{AccountName, PublicKey};
use http::StatusCode;

use super::account::back_to;
use super::accounts::invalid;
use super::page::{Frame, Refused, Section, rendered, shown};
use super::submission::{AccountForm, Question};
use super::view::{Named, end_of_day, key_kind};
use super::{Console, State, paths};
use crate::api::{
    AddJwksEndpoint, AddPublicKey, CreateApiKey, CreatedApiKey, JwksEndpointQuery, Problem,
    key_type_name, to_timestamp,
};
use crate::internal::extract::{
    Actor, FingerprintInPath, IdInPath, InPath, StrictJson, StrictQuery,
};
use crate::internal::problems::Kind;
use crate::internal::{api_keys, jwks_endpoints, public_keys};

/// What a key is, before it is saved.
#[derive(Template)]
#[template(path = "console/key_check.html")]
struct KeyCheckPage {
    frame: Frame,
    account: String,
    id: String,
    path: String,
    kind: String,
    openssh: String,
    spki_pem_sha256: String,
    jwk_thumbprint: String,
    pem: String,
    comment: Named,
    expires: String,
}

/// An API key, this once.
#[derive(Template)]
#[template(path = "console/api_key.html")]
struct ApiKeyPage {
    frame: Frame,
    account: String,
    path: String,
    id: String,
    key: String,
}

/// Shows what a key is that was pasted or uploaded. Nothing is saved.
pub(super) async fn check_key(
    axum::extract::State(console): State,
    AccountForm { account, form }: AccountForm,
) -> Result<Response, Problem> {
    match read_key(&form) {
        Ok((key, comment)) => {
            let page = KeyCheckPage {
                frame: Frame::new(&form.visitor, Section::Accounts),
                account: account.name.to_string(),
                id: account.id.to_string(),
                path: paths::account(&account.name),
                kind: key_kind(key_type_name(key.key_type()), key.bits()),
                openssh: key.fingerprints().openssh(),
                spki_pem_sha256: key.fingerprints().spki_pem_sha256(),
                jwk_thumbprint: key.fingerprints().jwk_thumbprint(),
                pem: key.to_spki_pem(),
                comment: comment.into(),
                expires: form.text("expires").to_owned(),
            };
            Ok(shown(&page.frame, &page))
        }
        Err(refused) => console.refused(&account.name, &form, refused).await,
    }
}

/// The key in the field or the file, and what it is called.
fn read_key(form: &Question) -> Result<(PublicKey, String), Refused> {
    let text = [form.text("key"), form.text("file")].into_iter().find(|text| !text.is_empty());
    let text = text.ok_or_else(|| invalid("key", &"paste a public key, or choose its file"))?;
    let file =
        PublicKey::read(text.as_bytes()).map_err(|error| Kind::UnacceptableKey.problem(error))?;
    expiry(form, "expires")?;
    let comment = match form.text("comment") {
        "" => public_keys::shorten(file.comment.as_deref().unwrap_or_default()),
        comment => public_keys::check_comment(comment.to_owned())?,
    };
    Ok((file.key, comment))
}

/// The end of the day in a field; it is still to come.
fn expiry(form: &Question, field: &'static str) -> Result<Option<jiff::Timestamp>, Refused> {
    let date = form.text(field);
    if date.is_empty() {
        return Ok(None);
    }
    let end =
        end_of_day(date).ok_or_else(|| invalid(field, &"a day such as 2027-01-15 is wanted"))?;
    if end <= form.visitor.act.at {
        return Err(invalid(field, &"this day is over"));
    }
    Ok(Some(to_timestamp(end)))
}

/// Saves a key.
pub(super) async fn add_key(
    axum::extract::State(console): State,
    AccountForm { account, form }: AccountForm,
) -> Result<Response, Problem> {
    let add = async {
        let new = AddPublicKey {
            public_key: form.text("key").to_owned(),
            comment: Some(form.text("comment").to_owned()),
            expires_at: expiry(&form, "expires")?,
        };
        let path = InPath(account.name.clone());
        Ok(public_keys::add(console.store(), path, actor(&form), StrictJson(new)).await?)
    };
    console.outcome(&account.name, &form, "key-added", add.await).await
}

/// Withdraws a key for good.
pub(super) async fn revoke_key(
    axum::extract::State(console): State,
    FingerprintInPath(fingerprint): FingerprintInPath,
    AccountForm { account, form }: AccountForm,
) -> Result<Response, Problem> {
    let revoke = async {
        let which = FingerprintInPath(fingerprint);
        let path = InPath(account.name.clone());
        Ok(public_keys::revoke(console.store(), path, which, actor(&form)).await?)
    };
    console.outcome(&account.name, &form, "key-revoked", revoke.await).await
}

/// Trusts a URL.
pub(super) async fn add_endpoint(
    axum::extract::State(console): State,
    AccountForm { account, form }: AccountForm,
) -> Result<Response, Problem> {
    let add = async {
        let state = axum::extract::State(console.administration.clone());
        let new = AddJwksEndpoint { url: form.text("url").to_owned() };
        let path = InPath(account.name.clone());
        Ok(jwks_endpoints::add(state, path, actor(&form), StrictJson(new)).await?)
    };
    console.outcome(&account.name, &form, "endpoint-added", add.await).await
}

/// Trusts a URL no longer.
pub(super) async fn remove_endpoint(
    axum::extract::State(console): State,
    AccountForm { account, form }: AccountForm,
) -> Result<Response, Problem> {
    let remove = async {
        let state = axum::extract::State(console.administration.clone());
        let which = StrictQuery(JwksEndpointQuery { url: form.text("url").to_owned() });
        Ok(jwks_endpoints::remove(state, InPath(account.name.clone()), actor(&form), which).await?)
    };
    console.outcome(&account.name, &form, "endpoint-removed", remove.await).await
}

/// Makes an API key and shows it, this once.
pub(super) async fn create_api_key(
    axum::extract::State(console): State,
    AccountForm { account, form }: AccountForm,
) -> Result<Response, Problem> {
    match console.new_api_key(&account.name, &form).await {
        Ok(created) => {
            let page = ApiKeyPage {
                frame: Frame::new(&form.visitor, Section::Accounts),
                account: account.name.to_string(),
                path: paths::account(&account.name),
                id: created.api_key.id.to_string(),
                key: created.key.clone(),
            };
            Ok((StatusCode::CREATED, rendered(&page)).into_response())
        }
        Err(refused) => console.refused(&account.name, &form, refused).await,
    }
}

/// Withdraws an API key for good, with what it bought.
pub(super) async fn revoke_api_key(
    axum::extract::State(console): State,
    IdInPath(id): IdInPath,
    AccountForm { account, form }: AccountForm,
) -> Result<Response, Problem> {
    let revoke = async {
        let state = axum::extract::State(console.token_routes()?);
        let path = InPath(account.name.clone());
        Ok(api_keys::revoke(state, path, IdInPath(id), actor(&form)).await?)
    };
    console.outcome(&account.name, &form, "api-key-revoked", revoke.await).await
}

impl Console {
    fn store(
        &self,
    ) -> axum::extract::State<std::sync::Arc<dyn countersign_core::ports::AdminStore>> {
        axum::extract::State(self.administration.store.clone())
    }

    async fn new_api_key(
        &self,
        name: &AccountName,
        form: &Question,
    ) -> Result<CreatedApiKey, Refused> {
        let new = CreateApiKey {
            comment: Some(form.text("api-comment").to_owned()),
            expires_at: expiry(form, "api-expires")?,
        };
        let state = axum::extract::State(self.token_routes()?);
        let created =
            api_keys::create(state, InPath(name.clone()), actor(form), StrictJson(new)).await?;
        Ok(created.1.0)
    }

    /// Back to the account's page, with what was done or what was wrong.
    async fn outcome<T>(
        &self,
        name: &AccountName,
        form: &Question,
        done: &'static str,
        result: Result<T, Refused>,
    ) -> Result<Response, Problem> {
        match result {
            Ok(_) => Ok(back_to(&form.visitor, name, done)),
            Err(refused) => self.refused(name, form, refused).await,
        }
    }
}

fn actor(form: &Question) -> Actor {
    Actor(form.visitor.act.clone())
}
