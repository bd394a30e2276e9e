//! The protocol does no I/O, and who only verifies compiles no database driver.

use anyhow::Result;

use crate::run;

/// A package, and the crates that must never be among its dependencies.
struct Rule {
    package: &'static str,
    never: &'static [&'static str],
    because: &'static str,
}

const IO: &[&str] = &["tokio", "sqlx", "reqwest", "hyper", "axum", "async-std", "smol"];
const DATABASE: &[&str] =
    &["sqlx", "libsqlite3-sys", "rusqlite", "tokio-postgres", "postgres", "redis", "fred"];

const RULES: [Rule; 3] = [
    Rule {
        package: "countersign-core",
        never: IO,
        because: "the protocol does no I/O and chooses no runtime",
    },
    Rule {
        package: "countersign-core",
        never: DATABASE,
        because: "a service that only verifies compiles no database driver",
    },
    Rule {
        package: "countersign-tower",
        never: DATABASE,
        because: "a service that only verifies compiles no database driver",
    },
];

/// One finding for each forbidden dependency.
pub(super) fn check() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for rule in &RULES {
        let dependencies = dependencies(rule.package)?;
        for name in rule.never.iter().filter(|name| dependencies.iter().any(|d| forbidden(d, name)))
        {
            findings.push(format!("{} depends on {name}: {}", rule.package, rule.because));
        }
    }
    Ok(findings)
}

/// `sqlx` stands for `sqlx-core` and the like too.
fn forbidden(dependency: &str, name: &str) -> bool {
    dependency.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// All normal dependencies, direct or not, with every feature switched on.
fn dependencies(package: &str) -> Result<Vec<String>> {
    let tree = run::capture(run::cargo().args([
        "tree",
        "--locked",
        "--package",
        package,
        "--edges=normal",
        "--all-features",
        "--prefix=none",
        "--format={p}",
    ]))?;
    Ok(tree.lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::forbidden;

    #[test]
    fn a_crate_stands_for_its_family() {
        assert!(forbidden("sqlx", "sqlx"));
        assert!(forbidden("sqlx-sqlite", "sqlx"));
        assert!(!forbidden("sqlxmq", "sqlx"));
        assert!(!forbidden("my-sqlx", "sqlx"));
    }
}
