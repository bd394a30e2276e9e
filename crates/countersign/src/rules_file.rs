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
        let at = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
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
