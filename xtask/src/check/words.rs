//! Nothing that belongs to one machine or one mirror is written down.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace;

/// Directories of somebody's machine, in two halves so that this file passes its
/// own check. A slash before them makes them absolute.
const MACHINE_PATHS: [[&str; 2]; 3] = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"]];

/// Hosts that packages come from: every client knows its own, and a copy of one
/// in a file keeps a user from setting a mirror.
const REGISTRY_HOSTS: [[&str; 2]; 7] = [
    ["static.", "crates.io"],
    ["index.", "crates.io"],
    ["pypi.", "org"],
    ["files.python", "hosted.org"],
    ["deb.", "debian.org"],
    ["archive.", "ubuntu.com"],
    ["registry.", "npmjs.org"],
];

/// One finding for each line with such a word.
pub(super) fn check(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        // Other files are binary: keys and the like.
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let name = file.strip_prefix(workspace::root()).unwrap_or(file);
        findings.extend(findings_in(name, &text));
    }
    Ok(findings)
}

fn findings_in(name: &Path, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let paths = MACHINE_PATHS.iter().map(|halves| halves.concat());
        let hosts = REGISTRY_HOSTS.iter().map(|halves| halves.concat());
        for word in paths
            .filter(|path| holds_absolute(line, path))
            .chain(hosts.filter(|host| line.contains(host)))
        {
            findings.push(format!("{}:{number}: `{word}`", name.display()));
        }
    }
    findings
}

/// Whether a path stands there at its beginning: absolute, not below something else.
fn holds_absolute(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        !line[..at]
            .ends_with(|before: char| before.is_ascii_alphanumeric() || "._-}".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{findings_in, holds_absolute};

    #[test]
    fn absolute_paths_are_told_from_relative_ones() {
        let home = ["/ho", "me/"].concat();
        assert!(holds_absolute(&format!("see {home}x"), &home));
        assert!(holds_absolute(&format!("\"{home}x\""), &home));
        assert!(!holds_absolute(&format!("https://example.org{home}x"), &home));
    }

    #[test]
    fn a_finding_names_file_and_line() {
        let host = ["pypi.", "org"].concat();
        let text = format!("fine\nhttps://{host}/simple\n");
        assert_eq!(findings_in(Path::new("a.md"), &text), [format!("a.md:2: `{host}`")]);
        assert!(findings_in(Path::new("a.md"), "from crates.io, with pip").is_empty());
    }
}
