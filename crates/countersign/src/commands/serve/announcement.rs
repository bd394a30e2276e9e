//! What the server says on stderr when it is ready: where it is, and what to try.

use super::first_start::Admin;
use crate::config::LogFormat;
use crate::data_directory::{self, Paths, ServerFile};
use crate::output;

/// Says it, in the form of the log lines around it.
pub(super) fn say(server: &ServerFile, paths: &Paths, admin: &Admin, format: LogFormat) {
    match format {
        LogFormat::Text => output::note(&text(server, paths, admin)),
        LogFormat::Json => tracing::info!(
            version = server.version,
            public = server.public,
            internal = server.internal,
            envoy = server.envoy,
            data = %paths.directory.display(),
            made_admin = matches!(admin, Admin::Made | Admin::MadeWithGivenKey),
            "countersign is ready"
        ),
    }
}

fn text(server: &ServerFile, paths: &Paths, admin: &Admin) -> String {
    let ServerFile { version, public, internal, .. } = server;
    let envoy = server.envoy.as_ref();
    let envoy = envoy.map_or_else(String::new, |url| format!("  envoy     {url} (gRPC)\n"));
    let directory = paths.directory.display();
    let made = match admin {
        Admin::Existing | Admin::Nobody => String::new(),
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
           internal  {internal} (administration)\n\
         {envoy}  \
           data      {directory}\n\
         {made}\
         {}",
        what_to_try(server, paths, admin)
    )
}

/// Commands to copy, complete as they stand.
fn what_to_try(server: &ServerFile, paths: &Paths, admin: &Admin) -> String {
    if matches!(admin, Admin::MadeWithGivenKey | Admin::Nobody) {
        // The key that administrates is on another machine, if there is one.
        return String::new();
    }
    let data_dir = match data_directory::default_path() {
        Ok(default) if default == paths.directory => String::new(),
        _ => format!(" --data-dir {}", paths.directory.display()),
    };
    // Only the operator knows the name that the certificate has.
    let public = match server.public.strip_prefix("https://127.0.0.1:") {
        Some(port) => format!("https://NAME-IN-THE-CERTIFICATE:{port}"),
        None => server.public.clone(),
    };
    format!(
        "\nTry:\n  \
           countersign key generate --out robot.key\n  \
           countersign account create robot{data_dir}\n  \
           countersign key add robot robot.key.pub{data_dir}\n  \
           countersign request --account robot --key robot.key -i {public}/forward-auth"
    )
}
