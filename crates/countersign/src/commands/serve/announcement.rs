//! What the server says on stderr when it is ready: where it is, and what to try.

use super::first_start::Admin;
use crate::data_directory::{self, Paths, ServerFile};
use crate::output;

/// Says it.
pub(super) fn say(server: &ServerFile, paths: &Paths, admin: &Admin) {
    output::note(&text(server, paths, admin));
}

fn text(server: &ServerFile, paths: &Paths, admin: &Admin) -> String {
    let ServerFile { version, public, internal, .. } = server;
    let directory = paths.directory.display();
    let made = match admin {
        Admin::Existing => String::new(),
        Admin::Made => {
            format!(
                "  admin     made account admin, with the key {}\n",
                paths.admin_key().display()
            )
        }
        Admin::MadeWithGivenKey => {
            "  admin     made account admin, with the public key given\n".to_owned()
        }
    };
    format!(
        "countersign {version} is ready\n  \
           public    {public}\n  \
           internal  {internal} (administration)\n  \
           data      {directory}\n\
         {made}\
         {}",
        what_to_try(server, paths, admin)
    )
}

/// Commands to copy, complete as they stand.
fn what_to_try(server: &ServerFile, paths: &Paths, admin: &Admin) -> String {
    if matches!(admin, Admin::MadeWithGivenKey) {
        // The key that administrates is on another machine.
        return String::new();
    }
    let data_dir = match data_directory::default_path() {
        Ok(default) if default == paths.directory => String::new(),
        _ => format!(" --data-dir {}", paths.directory.display()),
    };
    let trust = match &server.tls_cert {
        Some(file) => format!(" --ca-cert {}", file.display()),
        None => String::new(),
    };
    format!(
        "\nTry:\n  \
           countersign key generate --out robot.key\n  \
           countersign account create robot{data_dir}\n  \
           countersign key add robot robot.key.pub{data_dir}\n  \
           countersign request --account robot --key robot.key{trust} -i {}/forward-auth",
        server.public
    )
}
