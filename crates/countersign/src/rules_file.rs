//! The file with rules on what gateways let through.

use std::path::Path;

use countersign_server::access_rules::AccessRules;

use crate::failure::Failure;
use crate::files;

/// Reads it.
///
/// # Errors
/// A [`Failure`] that names the file and the line.
pub(crate) fn read(path: &Path) -> Result<AccessRules, Failure> {
    let text = files::read_text(path)?;
    let rules: AccessRules = toml::from_str(&text).map_err(|error| {
        let line = files::line_of(&error, &text);
        let message = error.message().trim_end().replace('\n', " ");
        Failure::usage(format_args!("{}, line {line}: {message}", path.display()))
    })?;
    if rules.rules().is_empty() {
        return Err(Failure::usage(format_args!(
            "{} has no rule, so that nobody could pass: leave the file out to let everyone pass who is known",
            path.display()
        )));
    }
    Ok(rules)
}
