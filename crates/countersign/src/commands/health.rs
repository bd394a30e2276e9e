//! `countersign health`: whether a server takes requests.

#![expect(clippy::doc_markdown, reason = "the doc comments of options are help texts")]

use std::path::PathBuf;

use clap::Args;
use url::Url;

use crate::commands::block_on;
use crate::config::Span;
use crate::failure::Failure;
use crate::operator;
use crate::output::Output;

const AFTER_HELP: &str = "\
Examples:
  countersign health                               # the server on this data directory
  countersign health http://127.0.0.1:8080         # a listener; with --url-prefix, its URL with the prefix
  countersign health https://auth.example --ca-cert ca.pem

It exits with 0 if the server takes requests. If it does not yet, or no longer,
or nobody answers, the exit code is 4, and stderr says why.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct HealthArgs {
    /// A listener of the server. [default: the internal one of the server on the data directory]
    #[arg(value_name = "URL", value_parser = operator::server_url)]
    url: Option<Url>,

    /// The data directory of a server on this machine. [default: /var/lib/countersign as root, else $XDG_DATA_HOME/countersign]
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DATA_DIR")]
    data_dir: Option<PathBuf>,

    /// A certificate (PEM) to trust for URL, besides the system's.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CA_CERT")]
    ca_cert: Option<PathBuf>,

    /// The longest time to wait for the answer.
    #[arg(long, value_name = "SPAN", default_value = "5s")]
    timeout: Span,
}

pub(crate) fn run(args: &HealthArgs, output: Output) -> Result<(), Failure> {
    let HealthArgs { url, data_dir, ca_cert, timeout } = args;
    let said = block_on(operator::readiness(
        url.as_ref(),
        data_dir.as_deref(),
        ca_cert.as_deref(),
        timeout.0,
    ))?;
    output.show(&said, Clone::clone)
}
