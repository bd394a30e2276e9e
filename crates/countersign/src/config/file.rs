//! The settings file.

use std::path::{Path, PathBuf};

use super::options::ServeOptions;
use crate::failure::Failure;
use crate::files;

/// Reads a settings file. Paths in it are relative to the file's own directory.
pub(super) fn read(path: &Path) -> Result<ServeOptions, Failure> {
    let text = files::read_text(path)?;
    let options = parse(&text).map_err(|(line, message)| {
        Failure::usage(format_args!("{}, line {line}: {message}", path.display()))
    })?;
    Ok(relative_to(path.parent().unwrap_or(Path::new("")), options))
}

/// The options in the text, or the line (from 1) of what is wrong with it.
fn parse(text: &str) -> Result<ServeOptions, (usize, String)> {
    toml::from_str(text).map_err(|error| (files::line_of(&error, text), wording(error.message())))
}

/// A list of all thirty keys helps nobody; the help text explains them.
fn wording(message: &str) -> String {
    match message.split_once(", expected one of") {
        Some((unknown, _)) if unknown.starts_with("unknown field") => {
            let key = unknown.trim_start_matches("unknown field ");
            format!(
                "there is no setting {key}: `countersign serve --help` lists them (with _ for -)"
            )
        }
        _ => message.trim_end().replace('\n', " "),
    }
}

fn relative_to(directory: &Path, options: ServeOptions) -> ServeOptions {
    let join = |path: Option<PathBuf>| path.map(|path| directory.join(path));
    ServeOptions {
        data_dir: join(options.data_dir),
        tls_cert: join(options.tls_cert),
        tls_key: join(options.tls_key),
        encryption_key_file: join(options.encryption_key_file),
        redis_url_file: join(options.redis_url_file),
        redis_ca_file: join(options.redis_ca_file),
        rules_file: join(options.rules_file),
        request_keys: options
            .request_keys
            .map(|paths| paths.into_iter().map(|path| directory.join(path)).collect()),
        ..options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_with_its_name_and_line() {
        let (line, message) =
            parse("listen = \"127.0.0.1:1\"\n\ntolernce = \"20s\"\n").unwrap_err();
        assert_eq!(line, 3);
        assert!(message.contains("`tolernce`"), "{message}");
    }

    #[test]
    fn a_span_without_a_unit_is_refused_with_its_line() {
        let (line, message) = parse("# comment\ntolerance = \"20\"").unwrap_err();
        assert_eq!(line, 2);
        assert!(message.contains("`20s`"), "{message}");
        assert_eq!(parse("tolerance = 20").unwrap_err().0, 1);
    }

    /// Each line of the package's file is right, also those that somebody has yet to choose.
    #[test]
    fn the_settings_file_of_the_debian_package_is_one() {
        let shipped = include_str!("../../../../packaging/debian/countersign.toml");
        let as_shipped = parse(shipped).unwrap();
        let data_dir = Some("/var/lib/countersign".into());
        assert_eq!(as_shipped, ServeOptions { data_dir, ..ServeOptions::default() });
        let chosen: Vec<_> = shipped
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if setting.starts_with(char::is_alphabetic) => setting,
                _ => line,
            })
            .collect();
        let chosen = parse(&chosen.join("\n")).unwrap();
        assert!(chosen.tls_key.is_some() && chosen.log_level.is_some());
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let options = relative_to(
            Path::new("/etc/countersign"),
            parse("tls_cert = \"cert.pem\"\ntls_key = \"/run/key.pem\"").unwrap(),
        );
        assert_eq!(options.tls_cert.unwrap(), Path::new("/etc/countersign/cert.pem"));
        assert_eq!(options.tls_key.unwrap(), Path::new("/run/key.pem"));
    }
}
