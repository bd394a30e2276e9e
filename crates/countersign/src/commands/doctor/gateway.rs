//! A gateway, as callers reach it: does it let in only those who prove who they are, and can
//! they say that they are somebody else?

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use countersign_core::{AccountName, IdentityHeaders};
use countersign_server::api::HealthReport;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use reqwest::Client;
use url::Url;

use super::finding::Diagnosis;
use crate::failure::Failure;
use crate::key_file;
use crate::operator::server_url;
use crate::passphrase::PassphraseArgs;

const TIMEOUT: Duration = Duration::from_secs(10);
/// As much of an answer as is looked at.
const MAX_LOOKED_AT: usize = 1024 * 1024;
/// What a caller says that it is, which no account is.
const SPOOFED: &str = "countersign-doctor-spoofed-this";

/// Which gateway, and who asks it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Gateway")]
pub(super) struct GatewayArgs {
    /// A URL behind the gateway that may be read: best one that shows the headers it got.
    #[arg(long, value_name = "URL", value_parser = server_url)]
    gateway: Option<Url>,
    /// An account that may read it.
    #[arg(long, value_name = "NAME", requires_all = ["gateway", "key"])]
    account: Option<AccountName>,
    /// That account's private key.
    #[arg(long, value_name = "FILE", requires = "account")]
    key: Option<PathBuf>,
    /// Whom its request is for (aud), where a region must be named.
    #[arg(long, value_name = "NAME", requires = "account")]
    audience: Option<String>,
}

/// The server says how its identity headers are called.
///
/// # Errors
/// A [`Failure`] if the account's key cannot be read.
pub(super) async fn look(
    args: &GatewayArgs,
    server: Option<&HealthReport>,
    diagnosis: &mut Diagnosis,
) -> Result<(), Failure> {
    let Some(url) = &args.gateway else { return Ok(()) };
    let client = Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
    let client = client.build().map_err(Failure::refused)?;
    let mut headers = spoofed(server);
    match get(&client, url, headers.clone()).await {
        Ok(answer) => unsigned(&answer, diagnosis),
        Err(found) => diagnosis.fail("gateway", found, "is the URL right, and the gateway up?"),
    }
    let (Some(account), Some(key)) = (&args.account, &args.key) else {
        let advice = "give --account NAME --key FILE to have that tried";
        diagnosis.warn("identity headers", "whether callers can forge them was not tried", advice);
        return Ok(());
    };
    let key = key_file::read_private(key, &PassphraseArgs::default())?;
    let mut signer = countersign_client::Signer::new(account.clone(), key);
    if let Some(audience) = &args.audience {
        signer = signer.with_audience(audience);
    }
    let authorization = signer.authorization_header().map_err(Failure::usage)?;
    headers.insert(AUTHORIZATION, authorization);
    match get(&client, url, headers).await {
        Ok(answer) if server.is_some() => signed(&answer, account, diagnosis),
        Ok(answer) => {
            signed(&answer, account, diagnosis);
            let advice = "let doctor reach the server: its settings may give them other names";
            let found = "those of the usual names were tried, as the server did not say its own";
            diagnosis.warn("identity headers", found, advice);
        }
        Err(found) => diagnosis.fail("identity headers", found, "is the gateway up?"),
    }
    Ok(())
}

struct Answer {
    status: StatusCode,
    challenged: bool,
    text: String,
}

/// Somebody without a credential who says who it is.
fn unsigned(answer: &Answer, diagnosis: &mut Diagnosis) {
    let (check, status) = ("gateway", answer.status);
    let advice =
        "the gateway must ask Countersign before it passes a request on: see docs/gateways.md";
    match status {
        StatusCode::UNAUTHORIZED if answer.challenged => {
            diagnosis.ok(check, "a request without a credential is refused, with a challenge");
        }
        StatusCode::UNAUTHORIZED => {
            let found = "a request without a credential is refused, but not told what would do";
            let advice = "let the gateway pass on WWW-Authenticate: see docs/gateways.md";
            diagnosis.fail(check, found, advice);
        }
        status if status.is_success() => {
            diagnosis.fail(check, format_args!("it lets anybody in ({status})"), advice);
        }
        _ => {
            let found = format!("a request without a credential is answered {status}, not 401");
            diagnosis.fail(check, found, advice);
        }
    }
}

/// A caller that proves who it is and says that it is somebody else.
fn signed(answer: &Answer, account: &AccountName, diagnosis: &mut Diagnosis) {
    let (check, status) = ("identity headers", answer.status);
    if !status.is_success() {
        let found = format!("a signed request of {account} is answered {status}");
        let advice = "the server's log has the reason; give an account that may read this URL";
        return diagnosis.fail(check, found, advice);
    }
    if answer.text.contains(SPOOFED) {
        let found = "the service got an identity header that the caller made up";
        let advice =
            "let the gateway overwrite or remove every identity header: see docs/gateways.md";
        return diagnosis.fail(check, found, advice);
    }
    if answer.text.contains(account.as_str()) {
        let found = format!("the service was told {account}, and nothing that the caller made up");
        return diagnosis.ok(check, found);
    }
    let advice = "give a URL that shows the headers it got, or look there for `countersign-doctor-spoofed-this`";
    diagnosis.warn(check, "the answer does not show what the service was told", advice);
}

/// Every header that a service might believe, with a name that nobody has.
fn spoofed(server: Option<&HealthReport>) -> HeaderMap {
    let usual = IdentityHeaders::default();
    let usual = usual.described().map(|(name, _)| name.clone());
    let own = server.iter().flat_map(|server| &server.identity_headers);
    let own = own.filter_map(|name| HeaderName::try_from(name).ok());
    usual.into_iter().chain(own).map(|name| (name, HeaderValue::from_static(SPOOFED))).collect()
}

async fn get(client: &Client, url: &Url, headers: HeaderMap) -> Result<Answer, String> {
    let request = client.get(url.clone()).headers(headers);
    let mut response = request.send().await.map_err(|error| format!("{url}: {error}"))?;
    let mut text = Vec::new();
    while text.len() < MAX_LOOKED_AT
        && let Some(chunk) = response.chunk().await.map_err(|error| format!("{url}: {error}"))?
    {
        text.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status(),
        challenged: response.headers().contains_key(WWW_AUTHENTICATE),
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}
