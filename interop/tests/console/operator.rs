//! An operator in front of a browser.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use interop::{Browser, Countersign, repository};

/// A server, and a browser in which its first administrator has signed in.
pub(crate) struct Operator {
    pub(crate) countersign: Countersign,
    pub(crate) browser: Browser,
}

impl Operator {
    pub(crate) async fn new() -> Result<Self> {
        Self::with(&[]).await
    }

    pub(crate) async fn with(options: &[&str]) -> Result<Self> {
        let countersign = Countersign::start_with(options).await?;
        let browser = Browser::start(countersign.internal_url()).await?;
        let operator = Self { countersign, browser };
        operator.sign_in(&[]).await?;
        Ok(operator)
    }

    /// Signs in with a link that `countersign console` prints.
    pub(crate) async fn sign_in(&self, who: &[&str]) -> Result<()> {
        self.browser.open(&link(&self.countersign, who)?).await?;
        self.browser.press("Sign in as").await?;
        self.browser.reads("Accounts").await
    }

    /// Makes a key pair; its files.
    pub(crate) fn key_pair(&self, name: &str, more: &[&str]) -> Result<(PathBuf, PathBuf)> {
        let private = self.countersign.file(name, "")?;
        fs::remove_file(&private)?;
        let path = private.to_string_lossy();
        self.countersign.run(&[&["key", "generate", "--out", &path], more].concat())?;
        Ok((private.clone(), PathBuf::from(format!("{path}.pub"))))
    }

    /// What a signed request of this account and key is answered.
    pub(crate) fn signed_request(&self, account: &str, key: &Path) -> String {
        let url = format!("{}/forward-auth", self.countersign.url());
        let key = key.to_string_lossy();
        let arguments = ["request", "--account", account, "--key", &key, "-i", &url];
        // A refusal is an exit code, and an error here.
        self.countersign.run(&arguments).unwrap_or_else(|error| format!("{error:#}"))
    }

    /// Accounts, keys, uses and refusals as an installation has them.
    pub(crate) fn furnish(&self) -> Result<()> {
        let (private, public) = self.key_pair("worker.key", &[])?;
        let (_, next) = self.key_pair("next.key", &["--type", "p256"])?;
        let accounts =
            [("edge-gateway-1", "edge eu"), ("edge-gateway-2", "edge us"), ("mail-relay", "")];
        for (name, groups) in accounts {
            let groups: Vec<_> = groups.split_whitespace().collect();
            self.countersign.account(name, &[])?;
            self.countersign.run(&[&["account", "set-groups", name], &*groups].concat())?;
        }
        let worker = "billing-worker-7";
        self.countersign.account(worker, &[])?;
        for (key, comment) in [(public, "worker of 2026"), (next, "worker of 2027")] {
            let key = key.to_string_lossy();
            self.countersign.run(&["key", "add", worker, &key, "--comment", comment])?;
        }
        self.countersign.run(&["account", "set-groups", worker, "billing", "eu"])?;
        self.countersign.run(&["account", "disable", "mail-relay"])?;
        self.countersign.run(&["api-key", "create", worker, "--comment", "night job"])?;
        ensure!(self.signed_request(worker, &private).contains("200"), "it is known");
        for account in ["mail-relay", "backup-job", "edge-gateway-1"] {
            ensure!(self.signed_request(account, &private).contains("401"), "{account} is not");
        }
        Ok(())
    }

    pub(crate) async fn close(self) -> Result<()> {
        self.browser.close().await
    }
}

/// The link that `countersign console` prints.
pub(crate) fn link(countersign: &Countersign, who: &[&str]) -> Result<String> {
    Ok(countersign.run(&[&["console"], who].concat())?.trim().to_owned())
}

/// Where pictures of the pages are put, to be looked at.
pub(crate) fn pictures() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let directory = target.unwrap_or_else(|| repository().join("target")).join("console");
    fs::create_dir_all(&directory)?;
    Ok(directory)
}
