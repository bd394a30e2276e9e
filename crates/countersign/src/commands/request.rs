//! `countersign request`: an authenticated HTTP request, like curl.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::{HeaderName, HeaderValue};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Method, Response};
use url::Url;

use crate::caller::CallerArgs;
use crate::commands::block_on;
use crate::config::Span;
use crate::failure::{Exit, Failure};
use crate::files;

const AFTER_HELP: &str = "\
Examples:
  countersign request --account robot --key robot.key https://api.example/things
  countersign request --account robot --key robot.key https://api.example/things -d '{\"a\": 1}' \\
      -H 'Content-Type: application/json'
  countersign request --account robot --key robot.key DELETE https://api.example/things/7 -i

The body goes to stdout. An answer other than 2xx exits with 1. Redirects are
shown, not followed: a signed header is good for one request.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
#[command(override_usage = "countersign request --account <NAME> [OPTIONS] [METHOD] <URL>")]
pub(crate) struct RequestArgs {
    /// The method (GET, or POST where there is -d) and the URL.
    #[arg(value_names = ["METHOD", "URL"], num_args = 1..=2, required = true)]
    target: Vec<String>,

    #[command(flatten)]
    caller: CallerArgs,

    /// A header to send; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// The body: text, @FILE, or @- for standard input.
    #[arg(short, long, value_name = "DATA")]
    data: Option<String>,

    /// Show the status and the headers before the body.
    #[arg(short, long)]
    include: bool,

    /// The longest time for the whole exchange.
    #[arg(long, value_name = "SPAN", default_value = "30s")]
    timeout: Span,

    /// A certificate (PEM) to trust besides the system's.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CA_CERT")]
    ca_cert: Option<PathBuf>,
}

pub(crate) fn run(args: RequestArgs) -> Result<(), Failure> {
    let (method, url) = target(&args)?;
    let body = args.data.as_deref().map(body).transpose()?;
    let client = client(args.timeout.0, args.ca_cert.as_deref())?;
    // Signed last: the token's time is when it is sent, not when a passphrase
    // was asked for.
    let authorization = args.caller.authorization()?;
    let mut request = client.request(method, url.clone()).header(AUTHORIZATION, authorization);
    if let Some(body) = body {
        if !args.headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        request = request.body(body);
    }
    let request = request.headers(args.headers.into_iter().collect());
    block_on(async {
        let response = request.send().await.map_err(|error| cannot_reach(&url, &error))?;
        show(response, args.include, &url).await
    })
}

fn target(args: &RequestArgs) -> Result<(Method, Url), Failure> {
    let (method, url) = match &*args.target {
        [method, url] => (Some(method.as_str()), url),
        [url, ..] => (None, url),
        [] => return Err(Failure::usage("the URL is missing")),
    };
    let default = if args.data.is_some() { "POST" } else { "GET" };
    let method = method.unwrap_or(default);
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_alphabetic());
    let parsed = Method::from_bytes(method.to_ascii_uppercase().as_bytes());
    let (true, Ok(method)) = (is_method, parsed) else {
        return Err(Failure::usage(format_args!(
            "`{method}` is no method, expected GET, POST, PUT, PATCH or DELETE before the URL"
        )));
    };
    let parsed: Url = url.parse().map_err(|error| {
        Failure::usage(format_args!(
            "`{url}` is no URL ({error}), expected for example https://api.example/things"
        ))
    })?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(Failure::usage(format_args!("`{url}`: expected an http or https URL")));
    }
    Ok((method, parsed))
}

fn body(data: &str) -> Result<Vec<u8>, Failure> {
    match data.strip_prefix('@') {
        Some(file) => Ok(files::read_any_length(Path::new(file))?),
        None => Ok(data.as_bytes().to_vec()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let expected = || format!("`{text}` is no header, expected `Name: value`");
    let (name, value) = text.split_once(':').ok_or_else(expected)?;
    let name: HeaderName = name.trim().parse().map_err(|_| expected())?;
    if name == AUTHORIZATION {
        return Err("the Authorization header is what this command makes itself".to_owned());
    }
    Ok((name, value.trim().parse().map_err(|_| expected())?))
}

fn client(timeout: Duration, ca_cert: Option<&Path>) -> Result<Client, Failure> {
    let mut builder = Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")));
    if let Some(file) = ca_cert {
        let more = reqwest::Certificate::from_pem_bundle(&files::read(file)?).map_err(|error| {
            Failure::usage(format_args!("{} holds no certificate: {error}", file.display()))
        })?;
        builder = builder.tls_certs_merge(more);
    }
    builder.build().map_err(Failure::refused)
}

async fn show(mut response: Response, include: bool, url: &Url) -> Result<(), Failure> {
    let status = response.status();
    if include {
        let mut head = format!("{:?} {status}\n", response.version()).into_bytes();
        for (name, value) in response.headers() {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.push(b'\n');
        }
        head.push(b'\n');
        io::stdout().write_all(&head)?;
    }
    while let Some(chunk) = response.chunk().await.map_err(|error| cannot_reach(url, &error))? {
        io::stdout().write_all(&chunk)?;
    }
    io::stdout().flush()?;
    if status.is_success() {
        return Ok(());
    }
    if include {
        return Err(Failure::shown(Exit::Refused));
    }
    Err(Failure::refused(format_args!("{url} answered {status}")))
}

fn cannot_reach(url: &Url, error: &reqwest::Error) -> Failure {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    let host = url.host_str().unwrap_or_default();
    Failure::unreachable(format_args!("cannot reach {host}: {reason}"))
}
