//! Every Rust file is compiled and every interop script is run: a test file that
//! nobody names would never fail.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace::{self, Workspace};

/// One finding for each file that nothing refers to.
pub(super) fn check(workspace: &Workspace, files: &[PathBuf]) -> Result<Vec<String>> {
    let rust = reached(workspace.target_files())?;
    let interop = sources_below(files, "interop", "rs")?;
    let root = workspace::root();
    // The fuzz targets are a workspace of their own: fuzz-smoke builds each one. A test
    // compiles every program that must not compile.
    let elsewhere =
        ["fuzz", "crates/countersign-tower/tests/must_not_compile"].map(|name| root.join(name));
    let is_elsewhere = |file: &Path| elsewhere.iter().any(|below| file.starts_with(below));
    let unreached = files.iter().filter(|file| match extension(file) {
        "rs" => !is_elsewhere(file) && !rust.contains(*file),
        "py" | "mjs" | "go" => !interop.contains(&script_name(root, file)),
        _ => false,
    });
    Ok(unreached
        .map(|file| {
            format!("nothing reaches {}", file.strip_prefix(root).unwrap_or(file).display())
        })
        .collect())
}

/// The files of all modules below some crate roots.
fn reached(crate_roots: Vec<PathBuf>) -> Result<BTreeSet<PathBuf>> {
    let roots: BTreeSet<PathBuf> = crate_roots.iter().cloned().collect();
    let mut reached = BTreeSet::new();
    let mut waiting = crate_roots;
    while let Some(file) = waiting.pop() {
        if !file.is_file() || !reached.insert(file.clone()) {
            continue;
        }
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let directory = file.parent().unwrap_or(Path::new(""));
        let children = if roots.contains(&file) || file.ends_with("mod.rs") {
            directory.to_owned()
        } else {
            file.with_extension("")
        };
        for name in module_names(&text) {
            waiting.push(children.join(format!("{name}.rs")));
            waiting.push(children.join(name).join("mod.rs"));
        }
        waiting.extend(named_paths(&text).map(|path| normal(&directory.join(path))));
    }
    Ok(reached)
}

/// The names in `mod name;` declarations.
fn module_names(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let declaration = line.rsplit_once("mod ").filter(|(before, _)| {
            before.is_empty()
                || before.trim_end() == "pub"
                || before.trim_end().ends_with(')')
                || before.trim_end().ends_with(']')
        })?;
        let name = declaration.1.strip_suffix(';')?;
        name.chars().all(|c| c.is_alphanumeric() || c == '_').then_some(name)
    })
}

/// The paths in `#[path = "..."]` and `include!("...")`.
fn named_paths(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let rest = line.split_once("#[path = \"").or_else(|| line.split_once("include!(\""))?.1;
        Some(rest.split_once('"')?.0)
    })
}

/// Resolves `..` without asking the file system.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                normal.pop();
            }
            std::path::Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

fn sources_below(files: &[PathBuf], directory: &str, extension_wanted: &str) -> Result<String> {
    let directory = workspace::root().join(directory);
    let mut text = String::new();
    for file in
        files.iter().filter(|f| f.starts_with(&directory) && extension(f) == extension_wanted)
    {
        text +=
            &fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(text)
}

/// What a test calls a script: its name, or for a part of a package the name of the
/// package's directory.
fn script_name(root: &Path, file: &Path) -> String {
    let below = file.strip_prefix(root.join("interop")).unwrap_or(file);
    let mut parts = below.components();
    let scripts = |name: &OsStr| ["go", "javascript", "python"].iter().any(|one| name == *one);
    match (parts.next(), parts.next()) {
        (Some(first), Some(second)) if scripts(first.as_os_str()) => {
            second.as_os_str().to_string_lossy().into_owned()
        }
        (Some(first), _) => first.as_os_str().to_string_lossy().into_owned(),
        (None, _) => String::new(),
    }
}

fn extension(file: &Path) -> &str {
    file.extension().and_then(|found| found.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{module_names, named_paths, normal, script_name};

    #[test]
    fn declarations_are_found_and_inline_modules_are_not() {
        let text = "mod a;\npub mod b;\n  pub(crate) mod c;\n#[cfg(test)] mod d;\nmod e {\n// a mod f;\nmod model g;";
        assert_eq!(module_names(text).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    }

    #[test]
    fn paths_are_found() {
        let text = "#[path = \"../x/y.rs\"]\nmod z;\ninclude!(\"w.rs\");";
        assert_eq!(named_paths(text).collect::<Vec<_>>(), ["../x/y.rs", "w.rs"]);
        assert_eq!(normal(Path::new("/a/b/../x/./y.rs")), Path::new("/a/x/y.rs"));
    }

    #[test]
    fn scripts_are_known_by_name() {
        let root = Path::new("/r");
        assert_eq!(script_name(root, Path::new("/r/interop/python/sign.py")), "sign.py");
        assert_eq!(script_name(root, Path::new("/r/interop/go/judge.go")), "judge.go");
        assert_eq!(script_name(root, Path::new("/r/interop/django/site/urls.py")), "django");
    }
}
