//! `countersign audit follow`: acts as they are done.

use std::time::Duration;

use clap::Args;
use countersign_server::api::{Audit, AuditOrder, AuditQuery, AuditRecord, MAX_PAGE_LIMIT, routes};

use super::{FilterArgs, row};
use crate::failure::{Exit, Failure};
use crate::operator::{AdminApi, OperatorArgs};
use crate::output::{Output, json_line, line, note};

/// How often the server is asked.
const POLL: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
pub(crate) struct FollowArgs {
    /// Begin behind this number, and not with the next act.
    #[arg(long, value_name = "N")]
    after: Option<i64>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    operator: OperatorArgs,
}

/// Until it is interrupted. What was shown is known by its number, which grows from act to
/// act: so none is lost and none is shown twice, whatever happens to the server.
pub(super) async fn follow(args: FollowArgs, output: Output) -> Result<(), Failure> {
    let api = args.operator.connect().await?;
    let mut query = AuditQuery { limit: Some(MAX_PAGE_LIMIT), ..args.filter.query() };
    query.after = match args.after {
        Some(after) => Some(after),
        None if query.since.is_some() => None,
        None => Some(newest(&api).await?),
    };
    let mut server = Some(api);
    let mut waiting = false;
    loop {
        match page(&args.operator, &mut server, &query).await {
            Ok(page) => {
                if std::mem::take(&mut waiting) {
                    note("the server is back");
                }
                for record in &page.records {
                    show(record, output)?;
                    query.after = Some(record.sequence);
                }
                if page.next.is_some() {
                    continue;
                }
            }
            Err(failure) if failure.exit == Exit::Unreachable => {
                if !std::mem::replace(&mut waiting, true) {
                    note(&format!("{failure}; waiting for it"));
                }
                server = None;
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The next acts. A server that was started again may be somewhere else.
async fn page(
    operator: &OperatorArgs,
    server: &mut Option<AdminApi>,
    query: &AuditQuery,
) -> Result<Audit, Failure> {
    let api = match server {
        Some(api) => api,
        None => server.insert(operator.connect().await?),
    };
    api.get(&routes::audit(query)).await
}

/// The number of the last act so far.
async fn newest(api: &AdminApi) -> Result<i64, Failure> {
    let order = Some(AuditOrder::Newest);
    let query = AuditQuery { limit: Some(1), order, ..AuditQuery::default() };
    let page: Audit = api.get(&routes::audit(&query)).await?;
    Ok(page.records.first().map_or(0, |record| record.sequence))
}

fn show(record: &AuditRecord, output: Output) -> Result<(), Failure> {
    match output {
        Output::Json => json_line(record),
        Output::Table => line(&row(record).join("  ")),
    }
}
