//! For everybody: without scripts, without a mouse, without seeing it, on a small screen, in the dark.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::operator::{Operator, pictures};

#[tokio::test]
async fn it_works_without_scripts() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await?;
    browser.visit("/console/accounts").await?;
    browser.fill("Name", "robot").await?;
    browser.press("Make the account").await?;
    browser.reads("The account was made").await?;
    let (_, public) = operator.key_pair("robot.key", &[])?;
    browser.fill("Public key", &fs::read_to_string(public)?).await?;
    browser.press("Look at it first").await?;
    browser.press("Add this key to robot").await?;
    browser.reads("The key was added").await?;
    browser.press("Revoke…").await?;
    browser.press("Revoke SHA256:").await?;
    browser.reads("The key was revoked").await?;
    browser.visit("/console/accounts").await?;
    browser.fill("Name contains", "rob").await?;
    browser.press("Find").await?;
    browser.reads("robot").await?;
    ensure!(browser.path().await?.contains("search=rob"), "{}", browser.path().await?);
    operator.close().await
}

#[tokio::test]
async fn every_page_is_narrow_labelled_and_in_both_colours() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    operator.furnish()?;
    let pages = [
        ("accounts", "accounts"),
        ("account", "accounts/billing-worker-7"),
        ("signing-keys", "signing-keys"),
        ("refusals", "refusals"),
        ("audit", "audit"),
        ("nothing", "nothing-here"),
    ];
    let pictures = pictures()?;
    for (name, path) in pages {
        for (colours, width) in [("light", 1100), ("dark", 1100), ("light", 400), ("dark", 400)] {
            let screen =
                json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
            browser.devtools("Emulation.setDeviceMetricsOverride", screen).await?;
            let media =
                json!({ "features": [{ "name": "prefers-color-scheme", "value": colours }] });
            browser.devtools("Emulation.setEmulatedMedia", media).await?;
            browser.visit(&format!("/console/{path}")).await?;
            let wide = browser.script("return document.documentElement.scrollWidth").await?;
            ensure!(wide.as_i64() <= Some(width), "{name} is {wide} wide at {width}");
            let ground =
                browser.script("return getComputedStyle(document.body).backgroundColor").await?;
            let dark = ground == "rgb(18, 23, 22)";
            ensure!(dark == (colours == "dark"), "{name}: {ground} is not {colours}");
            browser.picture(&pictures.join(format!("{name}-{colours}-{width}.png"))).await?;
        }
        let unlabelled = browser
            .script(
                "return [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
                     .filter(field => !field.labels.length).map(field => field.outerHTML)",
            )
            .await?;
        ensure!(unlabelled == json!([]), "{name}: {unlabelled}");
        let structure = browser
            .script(
                "return [document.documentElement.lang, document.querySelectorAll('h1').length,
                     document.querySelectorAll('main').length, document.title.length > 12,
                     [...document.querySelectorAll('[id]')].length
                         == new Set([...document.querySelectorAll('[id]')].map(it => it.id)).size]",
            )
            .await?;
        ensure!(structure == json!(["en", 1, 1, true, true]), "{name}: {structure}");
        // The keyboard's first stop leads past the navigation.
        let first =
            "document.body.focus(); return document.querySelector('a, button, input').textContent";
        ensure!(browser.script(first).await? == "Skip to the content", "{name}");
    }
    operator.close().await
}
