//! What an operator looks up: refusals, and who did what.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use interop::Request;

use crate::operator::Operator;

#[tokio::test]
async fn a_refusal_appears_with_its_reason_and_a_credential_is_examined_unspent() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    let (private, public) = operator.key_pair("robot.key", &[])?;
    let (other, _) = operator.key_pair("other.key", &[])?;
    operator.countersign.account("robot", &[&public])?;
    let header = |account: &str, key: &Path| {
        operator.countersign.run(&["header", "--account", account, "--key", &key.to_string_lossy()])
    };

    browser.visit("/console/refusals").await?;
    browser.reads("No credential was refused since the server started").await?;
    let url = operator.countersign.url();
    let forged = header("robot", &other)?;
    let value = forged.trim().trim_start_matches("Authorization: ").to_owned();
    let refused = Request::get("/forward-auth").authorization(&value).send(url).await?;
    ensure!(refused.status == 401, "{refused:?}");
    // Without reloading, with the id that the caller was told.
    browser.reads("key_unknown").await?;
    browser.reads(refused.all("x-request-id")[0]).await?;

    browser.fill("Authorization", &value).await?;
    browser.press("Examine it").await?;
    browser.reads("It is refused.").await?;
    browser.reads("the account has no such key").await?;

    let good = header("robot", &private)?;
    browser.fill("Authorization", good.trim()).await?;
    browser.press("Examine it").await?;
    browser.reads("It is good, if it was not used before").await?;
    let value = good.trim().trim_start_matches("Authorization: ");
    let asked = operator.countersign.asks(value).await?;
    ensure!(asked == (200, "robot".to_owned()), "it was not spent: {asked:?}");
    browser.fill("Authorization", "Basic cm9ib3Q6cm9ib3Q=").await?;
    browser.press("Examine it").await?;
    browser.reads("the scheme word is another one").await?;
    operator.close().await
}

#[tokio::test]
async fn a_page_that_cannot_be_renewed_stays_and_says_so() -> Result<()> {
    let mut operator = Operator::new().await?;
    ensure!(operator.countersign.asks("JWT x").await?.0 == 401, "it is refused");
    operator.browser.visit("/console/refusals").await?;
    operator.browser.reads("token_malformed").await?;
    operator.countersign.kill()?;
    operator.browser.reads("may be out of date").await?;
    operator.browser.reads("token_malformed").await?;
    operator.close().await
}

#[tokio::test]
async fn acts_are_in_the_audit_trail_and_can_be_exported() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    browser.visit("/console/accounts").await?;
    browser.fill("Name", "robot").await?;
    browser.press("Make the account").await?;
    browser.press("Disable the account").await?;
    browser.reads("its requests are refused").await?;
    browser.visit("/console/audit").await?;
    browser.reads("console.sign-in").await?;
    browser.fill("Did", "account.disable").await?;
    browser.press("Find").await?;
    browser.reads("account robot").await?;
    browser.reads("127.0.0.1").await?;
    ensure!(!browser.text().await?.contains("account.create"), "the filter holds");
    browser.press("before and after").await?;
    browser.reads("disabled").await?;
    let export =
        "return fetch(document.querySelector('a[download]').href).then(answer => answer.text())";
    let lines = browser.script(export).await?;
    let lines: Vec<_> = lines.as_str().context("a text")?.lines().collect();
    ensure!(lines.len() == 1, "{lines:?}");
    let act: serde_json::Value = serde_json::from_str(lines[0])?;
    ensure!(act["actor"] == "admin" && act["after"]["disabled"] == true, "{act}");
    operator.close().await
}
