//! The data directory, where it is on this machine.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::finding::Diagnosis;
use crate::data_directory::{Paths, check_private};

const MIB: u64 = 1024 * 1024;
/// Below this, the next acts may find no room.
const TOO_LITTLE: u64 = 64 * MIB;
/// Below this, somebody should make room.
const LITTLE: u64 = 1024 * MIB;

pub(super) fn look(paths: &Paths, diagnosis: &mut Diagnosis) {
    let directory = paths.directory.display();
    if !paths.directory.is_dir() {
        let advice = "start the server there, or name its directory with --data-dir";
        return diagnosis.fail("data directory", format_args!("there is no {directory}"), advice);
    }
    match check_private(&paths.directory) {
        Ok(()) => diagnosis.ok("data directory", format_args!("{directory} is its owner's alone")),
        Err(failure) => diagnosis.fail("data directory", failure, "its keys may have been read"),
    }
    free_space(&paths.directory, diagnosis);
    for (check, file) in
        [("admin key", paths.admin_key()), ("encryption key", paths.encryption_key())]
    {
        key_file(check, &file, diagnosis);
    }
}

fn free_space(directory: &Path, diagnosis: &mut Diagnosis) {
    let check = "free space";
    let free = match rustix::fs::statvfs(directory) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => return diagnosis.warn(check, error, "look with `df`"),
    };
    let found = format!("{} MiB are free at {}", free / MIB, directory.display());
    let advice = "make room: without it, no act and no nonce can be written down";
    match free {
        ..TOO_LITTLE => diagnosis.fail(check, found, advice),
        TOO_LITTLE..LITTLE => diagnosis.warn(check, found, advice),
        _ => diagnosis.ok(check, found),
    }
}

/// It need not be there: both can be kept elsewhere.
fn key_file(check: &'static str, file: &Path, diagnosis: &mut Diagnosis) {
    let Ok(found) = std::fs::metadata(file) else { return };
    let (name, mode) = (file.display(), found.mode() & 0o777);
    if mode & 0o077 != 0 {
        let advice =
            format!("run `chmod 600 {name}`, and replace the key if others use this machine");
        return diagnosis.fail(
            check,
            format_args!("others may read {name} (mode {mode:04o})"),
            advice,
        );
    }
    diagnosis.ok(check, format_args!("{name} is its owner's alone"));
}
