//! `countersign audit`: who changed what, when, from where.

mod follow;

use std::str::FromStr;

use clap::{Args, Subcommand};
use countersign_core::ports::Clock as _;
use countersign_server::api::{
    Audit, AuditOrder, AuditQuery, AuditRecord, MAX_PAGE_LIMIT, routes, to_timestamp,
};
use countersign_system::SystemClock;
use jiff::Timestamp;

use crate::commands::block_on;
use crate::config::Span;
use crate::failure::Failure;
use crate::operator::OperatorArgs;
use crate::output::{Output, instant, json_line, line, table};
use follow::FollowArgs;

const LIST_EXAMPLES: &str = "\
Examples:
  countersign audit list --newest-first --limit 20
  countersign audit list --actor ada --since 7d
  countersign audit list --target robot -o json     # with the state before and after";

const FOLLOW_EXAMPLES: &str = "\
Examples:
  countersign audit follow
  countersign audit follow --action key.revoke
  countersign audit follow --after 120 -o json >> acts.jsonl

It goes on when the server is started again, and ends when it is interrupted or nobody reads
what it writes any more.";

#[derive(Subcommand, Debug)]
pub(crate) enum AuditCommand {
    /// List administrative acts, oldest first; `-o json` writes one act a line.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show acts as they are done; `-o json` writes one act a line.
    #[command(after_help = FOLLOW_EXAMPLES)]
    Follow(FollowArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Only acts behind this number; with --newest-first, before it.
    #[arg(long, value_name = "N")]
    after: Option<i64>,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Begin with the newest.
    #[arg(long)]
    newest_first: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Which acts are shown.
#[derive(Args, Clone, Debug)]
struct FilterArgs {
    /// Only acts by this account.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only acts of this kind, for example `account.create`.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only acts upon what has this text in its name.
    // That of a signing key may begin with a hyphen.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    target: Option<String>,
    /// Only acts since then: an instant (2026-11-28T04:50:00Z) or a span before now (2h, 7d).
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,
}

/// An instant, however it is said.
#[derive(Clone, Copy, Debug)]
struct Since(Timestamp);

pub(crate) fn run(command: AuditCommand, output: Output) -> Result<(), Failure> {
    match command {
        AuditCommand::List(args) => block_on(list(args, output)),
        AuditCommand::Follow(args) => block_on(follow::follow(args, output)),
    }
}

/// Acts are written as they come, but for a table, which must know all to be as wide.
async fn list(args: ListArgs, output: Output) -> Result<(), Failure> {
    let api = args.operator.connect().await?;
    let order = if args.newest_first { AuditOrder::Newest } else { AuditOrder::Oldest };
    let mut query = AuditQuery { after: args.after, order: Some(order), ..args.filter.query() };
    let mut left = args.limit.unwrap_or(u32::MAX);
    let mut rows = Vec::new();
    while left > 0 {
        query.limit = Some(left.min(MAX_PAGE_LIMIT));
        let page: Audit = api.get(&routes::audit(&query)).await?;
        left = left.saturating_sub(u32::try_from(page.records.len()).unwrap_or(left));
        match output {
            Output::Json => page.records.iter().try_for_each(json_line)?,
            Output::Table => rows.extend(page.records.iter().map(row)),
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    match output {
        Output::Json => Ok(()),
        Output::Table => line(&table(["#", "WHEN", "WHO", "FROM", "DID", "TO"], rows)),
    }
}

fn row(record: &AuditRecord) -> [String; 6] {
    [
        record.sequence.to_string(),
        instant(record.at.into()),
        record.actor.clone(),
        record.from.map_or_else(|| "-".to_owned(), |address| address.to_string()),
        record.action.clone(),
        record.target.clone(),
    ]
}

impl FilterArgs {
    fn query(&self) -> AuditQuery {
        AuditQuery {
            actor: self.actor.clone(),
            action: self.action.clone(),
            target: self.target.clone(),
            since: self.since.map(|Since(instant)| instant),
            ..AuditQuery::default()
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(instant) = text.parse() {
            return Ok(Self(instant));
        }
        let Span(span) = text.parse().map_err(|_| {
            format!("`{text}` is neither an instant such as `2026-11-28T04:50:00Z` nor a span such as `2h` or `7d`")
        })?;
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let now = SystemClock.now().as_micros();
        let then = countersign_core::UnixTime::from_micros(now.saturating_sub(micros));
        Ok(Self(to_timestamp(then)))
    }
}
