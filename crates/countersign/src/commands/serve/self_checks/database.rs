//! The schema, whether commits last, and the connections.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use countersign_server::api::Finding;
use countersign_server::self_report::SelfCheck;
use countersign_store::{Connections, Database, Inspection};

/// How long it may take to answer. Connections are tried for longer than whoever asks waits.
const ANSWER: Duration = Duration::from_secs(3);

pub(super) struct DatabaseCheck {
    pub(super) database: Database,
    /// `None` where nobody set it.
    pub(super) most_connections: Option<u32>,
}

#[async_trait]
impl SelfCheck for DatabaseCheck {
    fn name(&self) -> &'static str {
        "database"
    }

    fn names_nobody(&self) -> bool {
        true
    }

    async fn look(&self) -> Vec<Finding> {
        // Before a connection is taken for the rest.
        let connections = self.connections();
        let inspection = match tokio::time::timeout(ANSWER, self.database.inspect()).await {
            Ok(Ok(inspection)) => inspection,
            Ok(Err(error)) => return vec![self.away(error), connections],
            Err(_) => {
                let found = format_args!("it does not answer within {ANSWER:?}");
                return vec![self.away(found), connections];
            }
        };
        let durability = match self.database {
            Database::Sqlite(_) => of_sqlite(&inspection),
            Database::Postgres(_) => of_postgres(&inspection),
        };
        vec![schema(&inspection), durability, connections]
    }
}

impl DatabaseCheck {
    fn away(&self, found: impl fmt::Display) -> Finding {
        let advice = match self.database {
            Database::Sqlite(_) => {
                "is its file there, the server's own, and room on its disk? The server's log says more"
            }
            Database::Postgres(_) => {
                "is PostgreSQL up, and reachable from the server's machine? When it is, the server goes on by itself"
            }
        };
        Finding::fail(self.name(), found, advice)
    }

    fn connections(&self) -> Finding {
        let Connections { open, idle } = self.database.connections();
        let check = "database connections";
        match self.most_connections {
            Some(most) if open >= most && idle == 0 => {
                let found = format_args!("all {most} are in use");
                let advice = "if it stays so: raise database_connections, or find what is slow";
                Finding::warn(check, found, advice)
            }
            Some(most) => {
                Finding::ok(check, format_args!("{open} of {most} are open, {idle} of them idle"))
            }
            None => Finding::ok(check, format_args!("{open} are open, {idle} of them idle")),
        }
    }
}

fn schema(inspection: &Inspection) -> Finding {
    let (check, Inspection { schema, expected_schema, .. }) = ("schema", inspection);
    let found = format!("version {schema}, this server was made for {expected_schema}");
    if schema > expected_schema {
        let advice = "a later version has been here: upgrade this server, too";
        return Finding::warn(check, found, advice);
    }
    if schema < expected_schema {
        return Finding::fail(check, found, "restart the server: it brings the schema up to date");
    }
    Finding::ok(check, found)
}

fn of_sqlite(inspection: &Inspection) -> Finding {
    let check = "durability";
    match setting(inspection, "synchronous") {
        Some("2" | "3") => Finding::ok(check, "commits survive a power loss"),
        Some("1") => {
            Finding::ok(check, "commits survive kill -9; synchronous = \"full\", a power loss too")
        }
        _ => Finding::fail(check, "commits may be lost", "restart the server: it sets that"),
    }
}

fn of_postgres(inspection: &Inspection) -> Finding {
    let check = "durability";
    let settings = inspection.durability.iter().map(|(name, value)| format!("{name} {value}"));
    let found = settings.collect::<Vec<_>>().join(", ");
    for (name, what) in [
        ("fsync", "a crash of its machine can destroy the database"),
        ("full_page_writes", "a crash of its machine can destroy the database"),
        ("synchronous_commit", "revocations that were confirmed can be lost in a crash"),
    ] {
        if setting(inspection, name) == Some("off") {
            return Finding::fail(check, found, format_args!("turn {name} on: {what}"));
        }
    }
    Finding::ok(check, found)
}

fn setting<'a>(inspection: &'a Inspection, called: &str) -> Option<&'a str> {
    let mut settings = inspection.durability.iter();
    settings.find(|(name, _)| name == called).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use countersign_server::api::Severity;

    use super::*;

    fn found(schema: i64, settings: &[(&str, &str)]) -> Inspection {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let durability = settings.iter().map(owned).collect();
        Inspection { schema, expected_schema: 5, durability }
    }

    #[test]
    fn a_schema_of_another_version_is_said() {
        for (version, severity) in [(4, Severity::Fail), (5, Severity::Ok), (6, Severity::Warn)] {
            assert_eq!(schema(&found(version, &[])).severity, severity, "{version}");
        }
    }

    #[test]
    fn what_loses_commits_is_said_by_name() {
        let on = [("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "local")];
        assert_eq!(of_postgres(&found(5, &on)).severity, Severity::Ok);
        for index in 0..on.len() {
            let mut settings = on;
            settings[index].1 = "off";
            let finding = of_postgres(&found(5, &settings));
            assert_eq!(finding.severity, Severity::Fail);
            assert!(finding.advice.unwrap().contains(settings[index].0));
        }
        for (value, severity) in [("0", Severity::Fail), ("1", Severity::Ok), ("2", Severity::Ok)] {
            let found = found(5, &[("synchronous", value)]);
            assert_eq!(of_sqlite(&found).severity, severity, "{value}");
        }
    }
}
