//! YAML files, read as other programs read them.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use crate::environment::{repository, tool};
use crate::process::capture;

/// What is in a file, aliases resolved.
///
/// # Errors
/// If it is not YAML.
pub fn yaml(file: &Path) -> Result<Value> {
    let mut reader = Command::new(tool("COUNTERSIGN_TEST_CONTAINERS")?);
    reader.arg(repository().join("interop/python/yaml_reader.py")).arg(file);
    Ok(serde_json::from_str(&capture(&mut reader)?)?)
}
