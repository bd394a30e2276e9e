//! The protocol does no I/O, and who only verifies compiles no database driver.

use anyhow::Result;

use crate::run;

/// A package, and the crates that must never be among its dependencies.
struct Rule {
    package: &'static str,
    features: Features,
    never: &'static [&'static str],
    because: &'static str,
}

/// Which of a package's features are switched on.
#[derive(Clone, Copy)]
enum Features {
    All,
    None,
}

const IO: &[&str] = &["tokio", "sqlx", "reqwest", "hyper", "axum", "async-std", "smol"];
const DATABASE: &[&str] =
    &["sqlx", "libsqlite3-sys", "rusqlite", "tokio-postgres", "postgres", "redis", "fred"];

const RULES: [Rule; 4] = [
    Rule {
        package: "countersign-core",
        features: Features::All,
        never: IO,
        because: "the protocol does no I/O and chooses no runtime",
    },
    Rule {
        package: "countersign-core",
        features: Features::All,
        never: DATABASE,
        because: "a service that only verifies compiles no database driver",
    },
    Rule {
        package: "countersign-tower",
        features: Features::All,
        never: DATABASE,
        because: "a service that only verifies compiles no database driver",
    },
    Rule {
        package: "countersign-store",
        features: Features::None,
        never: DATABASE,
        because: "a service that only verifies fetches keys without a database driver",
    },
];

/// One finding for each forbidden dependency.
pub(super) fn check() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for rule in &RULES {
        let dependencies = dependencies(rule.package, rule.features)?;
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

/// All normal dependencies, direct or not, with these features switched on.
fn dependencies(package: &str, features: Features) -> Result<Vec<String>> {
    let features = match features {
        Features::All => "--all-features",
        Features::None => "--no-default-features",
    };
    let tree = run::capture(run::cargo().args([
        "tree",
        "--locked",
        "--package",
        package,
        "--edges=normal",
        features,
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
