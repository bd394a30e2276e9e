//! The certificate that clusters show, of an authority made for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::template::checked;

/// The program's own configuration is read in place of the machine's, which an
/// unpacked OpenSSL may not find.
const CONFIGURATION: &str = "[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
";

/// Longer than a target directory lives.
const DAYS: &str = "3650";

/// Makes `ca.pem` in one directory and `server.crt` with `server.key`, as
/// PostgreSQL calls them, in the other. The authority's key is thrown away.
pub(crate) fn make(openssl: &Path, authority: &Path, server: &Path) -> Result<()> {
    let configuration = authority.join("openssl.cnf");
    let (ca, ca_key) = (authority.join("ca.pem"), authority.join("ca.key"));
    fs::write(&configuration, CONFIGURATION)
        .with_context(|| format!("cannot write {}", configuration.display()))?;
    let request = |name: &str, section: &str, certificate: PathBuf, key: PathBuf| {
        let mut command = Command::new(openssl);
        command.args(["req", "-x509", "-nodes", "-newkey", "ec"]);
        command.args(["-pkeyopt", "ec_paramgen_curve:P-256", "-days", DAYS]);
        command.args(["-subj", name, "-extensions", section, "-config"]).arg(&configuration);
        command.arg("-out").arg(certificate).arg("-keyout").arg(key);
        command
    };
    checked(&mut request("/CN=Countersign tests", "authority", ca.clone(), ca_key.clone()))?;
    checked(
        request("/CN=localhost", "server", server.join("server.crt"), server.join("server.key"))
            .arg("-CA")
            .arg(&ca)
            .arg("-CAkey")
            .arg(&ca_key),
    )?;
    fs::remove_file(&ca_key).with_context(|| format!("cannot remove {}", ca_key.display()))
}
