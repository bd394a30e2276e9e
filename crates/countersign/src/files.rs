//! Reading files with a limit, and making files that only their owner can read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

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

/// Puts a file in place of whatever has its name, in one step.
pub(crate) fn replace(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    let temporary = Path::new(&temporary);
    // Left by a process that died; ours is the only one with this number.
    let _ = std::fs::remove_file(temporary);
    create_new(temporary, mode, content)?;
    std::fs::rename(temporary, path).inspect_err(|_| {
        let _ = std::fs::remove_file(temporary);
    })
}
