//! Who comes in, and when a session ends.

use anyhow::{Context as _, Result, ensure};
use interop::{Browser, Countersign, Request};

use crate::operator::{Operator, link};

#[tokio::test]
async fn a_link_signs_in_once_and_opening_it_spends_nothing() -> Result<()> {
    let countersign = Countersign::start().await?;
    let browser = Browser::start(countersign.internal_url()).await?;
    browser.visit("/console/accounts").await?;
    browser.reads("countersign console").await?;
    ensure!(browser.path().await? == "/console/sign-in", "{}", browser.path().await?);

    let link = link(&countersign, &[])?;
    for _ in 0..3 {
        browser.open(&link).await?;
        browser.reads("Sign in as admin").await?;
    }
    browser.press("Sign in as admin").await?;
    browser.reads("New account").await?;
    let cookie = browser.cookie("countersign-console").await?;
    ensure!(cookie["httpOnly"] == true && cookie["sameSite"] == "Strict", "{cookie}");
    ensure!(cookie["path"] == "/console", "{cookie}");
    let secret = cookie["value"].as_str().context("a value")?.to_owned();

    browser.open(&link).await?;
    browser.reads("This link is good no more").await?;
    browser.visit("/console/accounts").await?;
    browser.press("Sign out").await?;
    browser.reads("There are no passwords here").await?;

    // The session itself is over, not only the browser's memory of it.
    let cookie = format!("countersign-console={secret}");
    let stolen = Request::get("/console/accounts").line("Cookie", &cookie);
    let answer = stolen.send(countersign.internal_url()).await?;
    ensure!(answer.status == 303, "{answer:?}");
    browser.close().await
}

#[tokio::test]
async fn a_session_ends_with_its_key_its_group_or_its_account() -> Result<()> {
    let operator = Operator::new().await?;
    let (private, public) = operator.key_pair("ada.key", &[])?;
    operator.countersign.account("ada", &[&public])?;
    operator.countersign.run(&["account", "set-groups", "ada", "admin"])?;
    let fingerprint = operator.countersign.run(&["key", "list", "ada", "-o", "json"])?;
    let listed: serde_json::Value = serde_json::from_str(&fingerprint)?;
    let fingerprint = listed["keys"][0]["fingerprints"]["openssh"].as_str().context("a key")?;

    let identity = private.to_string_lossy();
    let who = ["--as", "ada", "--identity", &identity];
    let acts: [(&[&str], &[&str]); 3] = [
        (&["account", "disable", "ada"], &["account", "enable", "ada"]),
        (&["account", "set-groups", "ada", "ops"], &["account", "set-groups", "ada", "admin"]),
        (&["key", "revoke", "ada", fingerprint], &["account", "show", "ada"]),
    ];
    for (act, back) in acts {
        operator.sign_in(&who).await?;
        operator.countersign.run(act)?;
        operator.browser.visit("/console/audit").await?;
        operator.browser.reads("There are no passwords here").await?;
        operator.countersign.run(back)?;
        operator.browser.visit("/console/audit").await?;
        operator.browser.reads("There are no passwords here").await?;
    }
    operator.close().await
}
