//! Keys, JWKS endpoints and API keys of an account, and the server's own signing keys.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use interop::{Request, capture, eventually};

use crate::operator::Operator;

#[tokio::test]
async fn keys_are_looked_at_saved_replaced_and_revoked() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    let (old, old_public) = operator.key_pair("old.key", &[])?;
    let (new, new_public) = operator.key_pair("new.key", &["--type", "p256"])?;
    operator.countersign.account("robot", &[])?;

    // Pasted: what it is stands there before it is saved.
    browser.visit("/console/accounts/robot").await?;
    browser.fill("Public key", &fs::read_to_string(&old_public)?).await?;
    browser.fill("Comment on the key", "the first").await?;
    browser.press("Look at it first").await?;
    browser.reads("Nothing is saved yet").await?;
    let shown =
        operator.countersign.run(&["key", "show", &old_public.to_string_lossy(), "-o", "json"])?;
    let shown: serde_json::Value = serde_json::from_str(&shown)?;
    for name in ["openssh", "spki_pem_sha256", "jwk_thumbprint"] {
        let print = shown["fingerprints"][name].as_str().with_context(|| format!("{shown}"))?;
        browser.reads(print).await?;
    }
    browser.reads("Ed25519").await?;
    ensure!(operator.signed_request("robot", &old).contains("401"), "it was not saved");
    browser.press("Add this key to robot").await?;
    browser.reads("The key was added").await?;
    let answer = operator.signed_request("robot", &old);
    ensure!(answer.contains("200"), "{answer}");

    // A weak one is refused with the reason, and is still in the field.
    let weak = operator.countersign.file("weak.key", "")?;
    let openssl = interop::tool("COUNTERSIGN_TEST_OPENSSL")?;
    capture(std::process::Command::new(&openssl).args(["genrsa", "-out"]).arg(&weak).arg("1024"))?;
    let public =
        capture(std::process::Command::new(&openssl).args(["rsa", "-pubout", "-in"]).arg(&weak))?;
    browser.fill("Public key", &public).await?;
    browser.press("Look at it first").await?;
    browser.reads("1024").await?;
    let typed = browser.script("return document.getElementById('key').value").await?;
    ensure!(typed.as_str().is_some_and(|text| text.contains("BEGIN PUBLIC KEY")), "{typed}");

    // Uploaded, beside the first: which of the two is used stands there.
    browser.visit("/console/accounts/robot").await?;
    browser.fill("or its file", &new_public.to_string_lossy()).await?;
    browser.press("Look at it first").await?;
    browser.reads("P-256").await?;
    browser.press("Add this key to robot").await?;
    browser.reads("was not used yet").await?;
    let answer = operator.signed_request("robot", &new);
    ensure!(answer.contains("200"), "{answer}");
    // Without reloading: the page looks by itself.
    browser.reads("revoke what is left").await?;
    let answer = operator.signed_request("robot", &old);
    ensure!(answer.contains("200"), "{answer}");
    browser.reads("Still used since it was added").await?;

    let revoke = "document.querySelectorAll('.card.good')[1].querySelector('summary').click()";
    browser.script(revoke).await?;
    browser
        .script("document.querySelectorAll('.card.good')[1].querySelector('button').click()")
        .await?;
    browser.reads("refused from the next request on, for good").await?;
    ensure!(operator.signed_request("robot", &old).contains("401"), "the old key is revoked");
    ensure!(operator.signed_request("robot", &new).contains("200"), "the new key is good");
    operator.close().await
}

#[tokio::test]
async fn an_api_key_is_shown_once_and_works_until_it_is_revoked() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    operator.countersign.account("robot", &[])?;
    browser.visit("/console/accounts/robot").await?;
    browser.find("#api-comment").await?.send_keys("night job").await?;
    browser.press("Make an API key").await?;
    browser.reads("It is shown this once").await?;
    let key = browser.find("#api-key").await?.text().await?;
    browser.press("Copy").await?;
    browser.reads("Copied").await?;
    let asks = async || operator.countersign.asks(&format!("Bearer {key}")).await;
    ensure!(asks().await? == (200, "robot".to_owned()), "{:?}", asks().await?);
    browser.press("Back to robot").await?;
    browser.reads("night job").await?;
    ensure!(
        !browser
            .script("return document.documentElement.outerHTML")
            .await?
            .to_string()
            .contains(&key)
    );

    browser.press("Revoke its access tokens").await?;
    browser.reads("Every access token of this account that was issued so far is refused").await?;
    browser.script("document.querySelector('[aria-labelledby=api-keys] summary').click()").await?;
    browser.press("Revoke ").await?;
    browser.reads("It and the tokens that it bought are refused here").await?;
    ensure!(asks().await?.0 == 401, "{:?}", asks().await?);
    operator.close().await
}

#[tokio::test]
async fn jwks_endpoints_are_added_and_removed() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    operator.countersign.account("robot", &[])?;
    browser.visit("/console/accounts/robot").await?;
    browser.fill("URL of a JWKS", "http://127.0.0.1/keys").await?;
    browser.press("Trust it").await?;
    browser.reads("The URL cannot be trusted").await?;
    browser.fill("URL of a JWKS", "https://keys.invalid/jwks.json").await?;
    browser.press("Trust it").await?;
    browser.reads("The JWKS endpoint was added").await?;
    browser.reads("https://keys.invalid/jwks.json").await?;
    // How its fetching goes is said when somebody looks again.
    eventually("the error of the last fetch", async || {
        browser.visit("/console/accounts/robot").await.ok()?;
        browser.has("dd.bad").await.ok()?.then_some(())
    })
    .await?;
    browser.press("Remove…").await?;
    browser.press("Remove https://keys.invalid/jwks.json").await?;
    browser.reads("its keys are refused from now on").await?;
    operator.close().await
}

#[tokio::test]
async fn signing_keys_are_shown_and_rotated() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    browser.visit("/console/signing-keys").await?;
    browser.reads("is published, and signs after the next rotation").await?;
    let jwks = browser.find("pre").await?.text().await?;
    let shown: serde_json::Value = serde_json::from_str(&jwks)?;
    let served = Request::get("/.well-known/jwks.json").send(operator.countersign.url()).await?;
    ensure!(shown == serde_json::from_str::<serde_json::Value>(&served.body)?, "{jwks}");

    // Nobody can know the standby yet.
    browser.press("Rotate: let the standby sign").await?;
    browser.reads("It is too early for that").await?;
    let active = "return document.querySelector('.state.active').closest('li').querySelector('code').textContent";
    let before = browser.script(active).await?;
    browser.press("The active key is known to others").await?;
    browser.press("Rotate at once").await?;
    browser.reads("The keys were rotated").await?;
    ensure!(browser.script(active).await? != before, "{before} still signs");

    let pem =
        "return fetch(document.querySelector('a[download]').href).then(answer => answer.text())";
    let pem = browser.script(pem).await?;
    ensure!(pem.as_str().is_some_and(|pem| pem.starts_with("-----BEGIN PUBLIC KEY-----")), "{pem}");
    operator.close().await
}
