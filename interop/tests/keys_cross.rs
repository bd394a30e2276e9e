//! Keys cross both ways: what one side writes the other reads, and a caller with
//! either side's program is the same caller to either side's server.

use std::path::Path;

use anyhow::{Context as _, Result};
use interop::{Countersign, Django, KeyFiles, KeyFormat, Original, PASSPHRASE, Request};

/// Both servers, with the same callers.
struct Servers {
    ours: Countersign,
    original: Django,
}

impl Servers {
    async fn new() -> Result<Self> {
        Ok(Self { ours: Countersign::start().await?, original: Django::new()? })
    }

    fn trust(&self, account: &str, public_key: &Path) -> Result<()> {
        self.ours.account(account, &[public_key])?;
        self.original.trust(account, &[public_key])
    }

    /// A header that our command line makes.
    fn our_header(&self, account: &str, key: &[String]) -> Result<String> {
        let key = key.iter().map(String::as_str);
        let arguments: Vec<&str> =
            ["header", "--account", account].into_iter().chain(key).collect();
        let printed = self.ours.run(&arguments)?;
        let value = printed.trim_end().strip_prefix("Authorization: ");
        Ok(value.with_context(|| format!("header printed {printed:?}"))?.to_owned())
    }
}

async fn assert_accepted(
    servers: &Servers,
    url: &str,
    account: &str,
    headers: [String; 2],
) -> Result<()> {
    let [for_ours, for_original] = headers;
    assert_eq!(servers.ours.asks(&for_ours).await?, (200, account.to_owned()));
    let answer = Request::get("/whoami").authorization(&for_original).send(url).await?;
    assert_eq!((answer.status, answer.body), (200, format!(r#"{{"username": "{account}"}}"#)));
    Ok(())
}

#[tokio::test]
async fn one_key_file_serves_both_clients_at_both_servers() -> Result<()> {
    let mut servers = Servers::new().await?;
    let mut callers = Vec::new();
    for format in KeyFormat::ALL {
        let key = KeyFiles::make(format)?;
        servers.trust(format.name, &key.public_key())?;
        callers.push((format.name, key));
    }
    let url = servers.original.serve().await?;
    for (account, key) in &callers {
        let ours = || servers.our_header(account, &key.for_countersign());
        assert_accepted(&servers, &url, account, [ours()?, ours()?]).await?;
        let original = || Original::V1_3.sign(account, &key.for_python("file"));
        let headers = [original()?.authorization, original()?.authorization];
        assert_accepted(&servers, &url, account, headers).await?;
    }
    Ok(())
}

#[tokio::test]
async fn keys_that_the_original_writes_are_read() -> Result<()> {
    let mut servers = Servers::new().await?;
    let mut callers = Vec::new();
    for key_type in ["RSA", "Ed25519"] {
        let (private, public) = servers.original.generate_key_pair(key_type)?;
        let private = servers.ours.file(&format!("{key_type}.key"), private)?;
        let public = servers.ours.file(&format!("{key_type}.pub"), public)?;
        servers.trust(key_type, &public)?;
        callers.push((key_type, ["--key".to_owned(), private.to_string_lossy().into_owned()]));
    }
    let url = servers.original.serve().await?;
    for (account, key) in &callers {
        let header = || servers.our_header(account, key);
        assert_accepted(&servers, &url, account, [header()?, header()?]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn keys_that_we_write_are_read_by_the_original() -> Result<()> {
    let mut servers = Servers::new().await?;
    let passphrase = servers.ours.file("passphrase", PASSPHRASE)?;
    let passphrase = ["--passphrase-file", &passphrase.to_string_lossy()].map(str::to_owned);
    let mut callers = Vec::new();
    for key_type in ["rsa", "ed25519"] {
        for encrypted in [false, true] {
            let account = format!("{key_type}-{encrypted}");
            let private = servers.ours.file(&account, "")?;
            std::fs::remove_file(&private)?;
            let private = private.to_string_lossy().into_owned();
            let protected: &[String] = if encrypted { &passphrase } else { &[] };
            let protected: Vec<&str> = protected.iter().map(String::as_str).collect();
            let generate = ["key", "generate", "--type", key_type, "--out", &private];
            servers.ours.run(&[&generate[..], &protected].concat())?;

            // The original takes public keys as PEM and as OpenSSH lines.
            let public = format!("{private}.pub");
            servers.ours.account(&account, &[Path::new(&public)])?;
            let line = servers.ours.run(&["key", "convert", &public, "--to", "openssh"])?;
            assert!(line.starts_with("ssh-"), "{line}");
            let line = servers.ours.file(&format!("{account}.line"), line)?;
            servers.original.trust(&account, &[&line])?;
            servers.original.trust(&format!("{account}-pem"), &[Path::new(&public)])?;

            let words = ["file".to_owned(), private].into_iter();
            let key: Vec<String> = words.chain(encrypted.then(|| PASSPHRASE.into())).collect();
            callers.push((account, key));
        }
    }
    let url = servers.original.serve().await?;
    for (account, key) in &callers {
        for original in Original::ALL {
            let sign = |account| original.sign(account, key).map(|signed| signed.authorization);
            assert_accepted(&servers, &url, account, [sign(account)?, sign(account)?]).await?;
            let header = sign(&format!("{account}-pem"))?;
            let answer = Request::get("/whoami").authorization(&header).send(&url).await?;
            assert_eq!(answer.status, 200, "{account}: {answer:?}");
        }
    }
    Ok(())
}
