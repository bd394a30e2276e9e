//! For everybody: without scripts, without a mouse, without seeing it, on a small screen, in the dark.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use interop::{Browser, Key, tool};
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
async fn it_works_without_a_mouse() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    browser.visit("/console/accounts").await?;
    // The first stop leads past the navigation.
    browser.key(Key::Tab).await?;
    ensure!(focused(browser).await? == "Skip to the content", "{}", focused(browser).await?);
    browser.key(Key::Enter).await?;
    browser.key(Key::Tab).await?;
    ensure!(focused(browser).await? == "Name contains", "{}", focused(browser).await?);

    tab_to(browser, "Name").await?;
    browser.type_in("robot").await?;
    tab_to(browser, "Make the account").await?;
    browser.key(Key::Enter).await?;
    browser.reads("The account was made").await?;
    tab_to(browser, "Disable the account").await?;
    browser.key(Key::Enter).await?;
    browser.reads("its requests are refused from now on").await?;
    tab_to(browser, "Undo: enable it again").await?;
    browser.key(Key::Enter).await?;
    browser.reads("enabled again").await?;
    tab_to(browser, "Delete…").await?;
    browser.key(Key::Enter).await?;
    tab_to(browser, "Type robot to delete it").await?;
    browser.type_in("robot").await?;
    tab_to(browser, "Delete the account").await?;
    browser.key(Key::Enter).await?;
    browser.reads("The account was deleted").await?;
    operator.close().await
}

/// What the element is called that has the focus.
async fn focused(browser: &Browser) -> Result<String> {
    let name = "const it = document.activeElement;
         return (it.labels?.[0] ?? it).textContent.replace(/\\s+/g, ' ').trim()";
    Ok(browser.script(name).await?.as_str().unwrap_or_default().to_owned())
}

/// Goes on with the tabulator to what is called so. On the way, where the focus is can be seen.
async fn tab_to(browser: &Browser, name: &str) -> Result<()> {
    for _ in 0..100 {
        browser.key(Key::Tab).await?;
        if focused(browser).await? == name {
            let outline = "return getComputedStyle(document.activeElement).outlineStyle";
            let outline = browser.script(outline).await?;
            ensure!(outline == "solid", "{name} has the focus, and nobody sees it: {outline}");
            return Ok(());
        }
    }
    anyhow::bail!("the tabulator does not lead to {name}")
}

#[tokio::test]
async fn the_checker_of_pages_finds_what_is_wrong() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    browser.visit("/console/accounts").await?;
    browser
        .script("document.getElementById('main').append(document.createElement('button'))")
        .await?;
    let found = audit(browser, &checker()?).await.expect_err("a button without a name");
    ensure!(found.to_string().contains("button-name"), "{found}");
    operator.close().await
}

fn checker() -> Result<String> {
    let modules = tool("COUNTERSIGN_TEST_NODE_MODULES")?;
    Ok(fs::read_to_string(modules.join("axe-core/axe.min.js"))?)
}

/// What axe-core finds against WCAG 2.2, levels A and AA, and against good practice: names,
/// roles, contrast, structure, the size of targets.
async fn audit(browser: &Browser, checker: &str) -> Result<()> {
    browser.script(checker).await?;
    let run = "return axe.run().then(found => found.violations.flatMap(rule =>
         rule.nodes.map(node => `${rule.id}: ${node.html}: ${node.failureSummary}`)))";
    let violations = browser.script(run).await?;
    ensure!(violations == json!([]), "{violations:#}");
    Ok(())
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
    let checker = checker()?;
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
            audit(browser, &checker)
                .await
                .with_context(|| format!("{name}, {colours}, {width}"))?;
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
    }
    operator.close().await
}
