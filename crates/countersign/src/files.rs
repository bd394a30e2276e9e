//! Reading files with a limit, and making files that only their owner can read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// No key, token, passphrase or settings file is nearly as long.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Reads a whole file, `-` for standard input.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let cannot_read = |error| Failure::file(path, "read", &error);
    if path == Path::new("-") {
        return read_limited(io::stdin().lock(), "standard input");
    }
    let file = File::open(path).map_err(cannot_read)?;
    if file.metadata().map_err(cannot_read)?.is_dir() {
        return Err(Failure::usage(format_args!(
            "{} is a directory, expected a file",
            path.display()
        )));
    }
    read_limited(file, &path.display().to_string())
}

/// Reads a whole file, however long, `-` for standard input.
pub(crate) fn read_any_length(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let outcome = match path.to_str() {
        Some("-") => io::stdin().lock().read_to_end(&mut bytes),
        _ => File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    outcome.map_err(|error| Failure::file(path, "read", &error))?;
    Ok(bytes)
}

/// Reads a whole file as text.
pub(crate) fn read_text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = read(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        Failure::usage(format_args!("{} is binary, expected a text file", path.display()))
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The line, from 1, of what is wrong with a text of TOML.
pub(crate) fn line_of(error: &toml::de::Error, text: &str) -> usize {
    let at = error.span().map_or(0, |span| span.start);
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn read_limited(from: impl Read, name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(8192));
    from.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format_args!("cannot read {name}: {error}")))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Failure::usage(format_args!(
            "{name} is longer than {MAX_FILE_BYTES} bytes, which no such file is"
        )));
    }
    Ok(bytes)
}

/// Makes a file that must not exist yet, with these permissions.
///
/// Its content is on disk before this returns.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if it does.
pub(crate) fn create_new(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content).and_then(|()| file.sync_all()).inspect_err(|_| {
        // Half a key is worse than none, and the name is free again.
        let _ = std::fs::remove_file(path);
    })
}

/// The same, but whole or not at all, whatever ends the process: the content is
/// written beside it (to a name of which there is one) and then linked.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if the file exists.
pub(crate) fn create_new_whole(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let beside = beside(path, "new");
    // Left by a process that was killed before it came to the link.
    let _ = std::fs::remove_file(&beside);
    create_new(&beside, mode, content)?;
    let linked = std::fs::hard_link(&beside, path);
    let _ = std::fs::remove_file(&beside);
    linked
}

/// Puts a file in place of whatever has its name, in one step.
pub(crate) fn replace(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let temporary = beside(path, &std::process::id().to_string());
    // Left by a process that died; ours is the only one with this number.
    let _ = std::fs::remove_file(&temporary);
    create_new(&temporary, mode, content)?;
    std::fs::rename(&temporary, path).inspect_err(|_| {
        let _ = std::fs::remove_file(&temporary);
    })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_whole_and_never_replaces_another() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(directory.path().join("key.new"), "half a k").unwrap();
        create_new_whole(&path, 0o600, b"first").unwrap();
        let refused = create_new_whole(&path, 0o600, b"second").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left over");
    }
}
