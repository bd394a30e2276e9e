//! `countersign audit`: who changed what, when, from where.

use clap::{Args, Subcommand};
use countersign_server::api::{Audit, AuditQuery, AuditRecord, MAX_PAGE_LIMIT, routes};

use crate::commands::block_on;
use crate::failure::Failure;
use crate::operator::OperatorArgs;
use crate::output::{Output, instant, table};

const LIST_EXAMPLES: &str = "\
Examples:
  countersign audit list
  countersign audit list --after 120 -o json    # with the state before and after";

#[derive(Subcommand, Debug)]
pub(crate) enum AuditCommand {
    /// List administrative acts, oldest first.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Only acts behind this number.
    #[arg(long, value_name = "N")]
    after: Option<i64>,
    #[command(flatten)]
    operator: OperatorArgs,
}

pub(crate) fn run(AuditCommand::List(args): &AuditCommand, output: Output) -> Result<(), Failure> {
    let audit = block_on(async {
        let api = args.operator.connect().await?;
        let mut query = AuditQuery { after: args.after, limit: Some(MAX_PAGE_LIMIT) };
        let mut all = Audit { records: Vec::new(), next: None };
        loop {
            let page: Audit = api.get(&routes::audit(&query)).await?;
            all.records.extend(page.records);
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(all),
            }
        }
    })?;
    output.show(&audit, |audit| {
        table(["#", "WHEN", "WHO", "FROM", "DID", "TO"], audit.records.iter().map(row))
    })
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
