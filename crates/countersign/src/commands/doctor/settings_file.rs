//! The server's settings file, where it is on this machine.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::finding::Diagnosis;
use crate::config;

const CHECK: &str = "settings file";
/// Who may read a file that holds a secret: its owner, and its group, which is the server's.
const OTHERS: u32 = 0o007;

pub(super) fn look(file: &Path, diagnosis: &mut Diagnosis) {
    let examined = match config::examine(file) {
        Ok(examined) => examined,
        Err(failure) => {
            let advice = "the server does not start with it: mend that line";
            return diagnosis.fail(CHECK, failure, advice);
        }
    };
    diagnosis.ok(CHECK, format_args!("{} can be read", file.display()));
    for (setting, why) in examined.dead {
        let found = format_args!("{setting} changes nothing: {why}");
        diagnosis.warn(CHECK, found, "remove it, or set what it belongs to");
    }
    if let Some(setting) = examined.password_in {
        secret((setting, file), diagnosis);
    }
    for (setting, path) in &examined.secret_files {
        secret((setting, path), diagnosis);
    }
}

/// Others must not read a file that holds what this setting keeps secret.
fn secret((setting, path): (&str, &Path), diagnosis: &mut Diagnosis) {
    let (check, name) = ("secret files", path.display());
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) => {
            let advice = "name a file that is there, or run this as the server's user";
            return diagnosis.fail(check, format_args!("{setting}: {name}: {error}"), advice);
        }
    };
    let mode = found.mode() & 0o777;
    if mode & OTHERS != 0 {
        let found = format_args!("others may read {name} ({setting}, mode {mode:04o})");
        let advice = format_args!(
            "run `chmod o= {name}`, and replace the secret if others use this machine"
        );
        return diagnosis.fail(check, found, advice);
    }
    diagnosis.ok(check, format_args!("{name} ({setting}) cannot be read by others"));
}
