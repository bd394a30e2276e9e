//! `countersign rules explain`: which rule decides.

use std::path::PathBuf;

use clap::Args;
use countersign_core::GroupName;
use countersign_server::access_rules::{AccessRules, RequestPath, Requirement, host_name};
use http::{Method, Uri};
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::rules_file;

const AFTER_HELP: &str = "\
Examples:
  countersign rules explain --rules-file rules.toml GET https://books.example/books/7
  countersign rules explain --rules-file rules.toml PUT /books/7 --group editors

Exits with 1 if the request is denied: to everyone, or to a caller in the given groups.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ExplainArgs {
    /// The method.
    method: Method,
    /// The URL, or its path alone where no rule looks at hosts.
    url: Uri,
    /// A group that the caller is in.
    #[arg(long, value_name = "GROUP")]
    group: Vec<GroupName>,
    /// The file with the rules.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_RULES_FILE")]
    rules_file: PathBuf,
}

/// What decides, and how.
#[derive(Serialize)]
struct Explanation {
    /// Counted from 1.
    rule: Option<usize>,
    text: String,
    /// Whether the request may pass; for everyone, or for the caller that is asked about.
    allowed: bool,
}

pub(super) fn run(args: &ExplainArgs, output: Output) -> Result<(), Failure> {
    let rules = rules_file::read(&args.rules_file)?;
    let explanation = explain(&rules, args)?;
    output.show(&explanation, |explanation| explanation.text.clone())?;
    if explanation.allowed { Ok(()) } else { Err(Failure::shown(Exit::Refused)) }
}

fn explain(rules: &AccessRules, args: &ExplainArgs) -> Result<Explanation, Failure> {
    let host = args.url.host().and_then(host_name);
    if rules.look_at_hosts() && host.is_none() {
        return Err(Failure::usage(
            "a rule looks at hosts: give the whole URL, for example https://books.example/books/7",
        ));
    }
    let path = match RequestPath::read(args.url.path()) {
        Ok(path) => path,
        Err(error) => {
            let text =
                format!("denied to everyone: services may differ in what the path is, {error}");
            return Ok(Explanation { rule: None, text, allowed: false });
        }
    };
    let Some((number, requirement)) = rules.requirement(&args.method, host.as_deref(), &path)
    else {
        let text = "denied to everyone: no rule fits".to_owned();
        return Ok(Explanation { rule: None, text, allowed: false });
    };
    let (allowed, whom) = match requirement {
        Requirement::Public => (true, "allowed to everyone".to_owned()),
        Requirement::Authenticated => (true, "allowed to whoever proves who it is".to_owned()),
        Requirement::Groups(groups) if args.group.iter().any(|group| groups.contains(group)) => {
            (true, "allowed to a caller in these groups".to_owned())
        }
        Requirement::Groups(_) if args.group.is_empty() => {
            (false, "denied, but to callers in one of the rule's groups".to_owned())
        }
        Requirement::Groups(_) => (false, "denied to a caller in these groups".to_owned()),
    };
    let number = number + 1;
    let text = format!("{whom}\nrule {number} decides: {}", rules.rules()[number - 1]);
    Ok(Explanation { rule: Some(number), text, allowed })
}
