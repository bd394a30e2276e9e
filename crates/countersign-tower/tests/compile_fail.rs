//! What the types rule out: each program in `must_not_compile` names in its first line
//! the one error that the compiler must find in it.

#![expect(clippy::unwrap_used, reason = "a test that cannot read a file fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// A program that compiles, so that what is wrong with the others is theirs.
const CONTROL: &str = r#"
use countersign_core::SharedSecret;
use countersign_tower::{BearerTokens, Identity, Policy};

fn main() {
    let secret = SharedSecret::new(&[7; 32]).expect("long enough");
    let policy = Policy::accepting(BearerTokens::shared_secret(secret)).build();
    let caller: Option<&Identity> = None;
    assert!(policy.is_ok() && caller.is_none());
}
"#;

/// The codes of the errors in each program, by its name.
type Errors = BTreeMap<String, Vec<String>>;

#[test]
fn what_must_not_compile_does_not() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crates");
    let package = TempDir::new().unwrap();
    let expected = write_package(package.path(), crates);
    assert!(expected.len() > 5, "{expected:?}");
    assert_eq!(errors(package.path()), expected);
}

/// Writes a package that depends on our crates as a user's does, with no features and
/// with the same versions of all else. What is to be found in its programs.
fn write_package(package: &Path, crates: &Path) -> Errors {
    let root = crates.parent().expect("the workspace");
    let path = |name: &str| crates.join(name).to_string_lossy().into_owned();
    let (core, tower) = (path("countersign-core"), path("countersign-tower"));
    let mut manifest = toml::toml! {
        [package]
        name = "must-not-compile"
        edition = "2024"
        [workspace]
        [dependencies]
    };
    for (name, path) in [("countersign-core", core), ("countersign-tower", tower)] {
        manifest["dependencies"].as_table_mut().unwrap().insert(
            name.to_owned(),
            toml::Table::from_iter([("path".to_owned(), path.into())]).into(),
        );
    }
    // With the workspace's profile, what is compiled for its tests is used here too.
    let workspace: toml::Table =
        fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let dev = workspace["profile"]["dev"].clone();
    manifest.insert("profile".to_owned(), toml::Table::from_iter([("dev".to_owned(), dev)]).into());
    fs::write(package.join("Cargo.toml"), manifest.to_string()).unwrap();
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();

    let programs = package.join("src/bin");
    fs::create_dir_all(&programs).unwrap();
    fs::write(programs.join("control.rs"), CONTROL).unwrap();
    let cases = fs::read_dir(crates.join("countersign-tower/tests/must_not_compile")).unwrap();
    let cases = cases.map(|case| {
        let case = case.unwrap();
        let text = fs::read_to_string(case.path()).unwrap();
        fs::write(programs.join(case.file_name()), &text).unwrap();
        let name = case.path().file_stem().unwrap().to_string_lossy().into_owned();
        let first_line = text.strip_prefix("//! ").and_then(|line| line.split_once(':'));
        (name, vec![first_line.expect("a code in the first line").0.to_owned()])
    });
    cases.collect()
}

/// Compiles the programs as far as errors are found.
fn errors(package: &Path) -> Errors {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target directory");
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--keep-going", "--message-format=json", "--target-dir"])
        .arg(target)
        .current_dir(package)
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages: Vec<Value> =
        messages.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_control = |message: &&Value| {
        message["reason"] == "compiler-artifact" && message["target"]["name"] == "control"
    };
    assert!(messages.iter().any(|message| is_control(&message)), "{log}");

    let mut errors = Errors::new();
    for message in messages.iter().filter(|message| message["message"]["level"] == "error") {
        // The closing line of a failed program is an error without a code.
        if let Some(code) = message["message"]["code"]["code"].as_str() {
            let program = message["target"]["name"].as_str().unwrap();
            errors.entry(program.to_owned()).or_default().push(code.to_owned());
        }
    }
    errors
}
