//! Accounts: made, found, changed, disabled and deleted.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::operator::Operator;

#[tokio::test]
async fn accounts_are_made_found_changed_disabled_and_deleted() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    for (name, groups) in [("billing-worker-7", "ops eu"), ("mail-relay", "")] {
        browser.visit("/console/accounts").await?;
        browser.fill("Name", name).await?;
        browser.fill("Groups, with", groups).await?;
        browser.press("Make the account").await?;
        browser.reads("The account was made").await?;
    }
    // What is wrong is said, and what was typed is still there.
    browser.visit("/console/accounts").await?;
    browser.fill("Groups, with", "not/a group!").await?;
    browser.fill("Name", "another").await?;
    browser.press("Make the account").await?;
    browser.reads("Nothing was changed").await?;
    // The field to be mended says so to whoever cannot see where it is.
    let field = browser.find("[aria-invalid=true]").await?;
    ensure!(field.attr("id").await?.as_deref() == Some("new-groups"), "another field");
    let describing = field.attr("aria-describedby").await?.unwrap_or_default();
    let why = browser.find(&format!("#{describing}")).await?.text().await?;
    ensure!(why.contains("a group may only contain"), "{why}");
    let typed = browser.script("return document.getElementById('new-name').value").await?;
    ensure!(typed == "another", "{typed}");

    // The list follows what is typed.
    browser.visit("/console/accounts").await?;
    browser.reads("mail-relay").await?;
    browser.fill("Name contains", "billing").await?;
    let gone = "return !document.getElementById('rows').textContent.includes('mail-relay')";
    while browser.script(gone).await? != true {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    ensure!(browser.path().await?.contains("search=billing"), "{}", browser.path().await?);
    browser.press("billing-worker-7").await?;
    browser.reads("No keys").await?;

    browser.fill("Groups, with", "ops, night-shift").await?;
    browser.press("Change the groups").await?;
    browser.reads("night-shift").await?;
    browser.press("Disable the account").await?;
    browser.reads("its requests are refused from now on").await?;
    browser.visit("/console/accounts?show=disabled").await?;
    browser.reads("billing-worker-7").await?;
    ensure!(!browser.text().await?.contains("mail-relay"), "{}", browser.text().await?);
    browser.press("billing-worker-7").await?;
    browser.press("Enable the account").await?;
    browser.reads("enabled again").await?;
    browser.press("Disable the account").await?;
    browser.press("Undo").await?;
    browser.reads("enabled again").await?;

    browser.press("Delete…").await?;
    browser.fill("Type billing-worker-7", "billing-worker").await?;
    browser.press("Delete the account").await?;
    browser.reads("type the account's name").await?;
    browser.fill("Type billing-worker-7", "billing-worker-7").await?;
    browser.press("Delete the account").await?;
    browser.reads("The account was deleted").await?;
    ensure!(!browser.text().await?.contains("billing-worker-7"), "it is still there");
    operator.close().await
}

#[tokio::test]
async fn the_last_administrator_cannot_be_lost() -> Result<()> {
    let operator = Operator::new().await?;
    operator.browser.visit("/console/accounts/admin").await?;
    operator.browser.press("Disable the account").await?;
    operator.browser.reads("Nobody could administrate any more").await?;
    operator.close().await
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_is_not_taken_back() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    operator.countersign.account("vic", &[])?;
    operator.countersign.run(&["account", "set-groups", "vic", "admin"])?;
    browser.visit("/console/accounts/vic").await?;
    operator.countersign.run(&["account", "set-groups", "vic"])?;
    browser.fill("Groups, with", "admin billing").await?;
    browser.press("Change the groups").await?;
    browser.reads("they were changed since the page was shown").await?;

    // Nor is a form of one account good for another that was given its name.
    browser.visit("/console/accounts/vic").await?;
    operator.countersign.run(&["account", "delete", "vic", "--yes"])?;
    operator.countersign.account("vic", &[])?;
    browser.press("Disable the account").await?;
    browser.reads("is not the one that the page showed").await?;
    operator.close().await
}

#[tokio::test]
async fn the_list_is_filtered_and_sorted() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    let (_, public) = operator.key_pair("soon.key", &[])?;
    for name in ["a-first", "b-second"] {
        operator.countersign.account(name, &[])?;
    }
    let public = public.to_string_lossy();
    operator.countersign.run(&["key", "add", "a-first", &public, "--expires-in", "10d"])?;
    let names =
        "return [...document.querySelectorAll('tbody th')].map(it => it.textContent.trim())";
    let shown = [
        ("show=expiring", json!(["a-first"])),
        // None is 90 days old.
        ("show=unused", json!([])),
        ("show=disabled", json!([])),
        ("", json!(["a-first", "admin", "b-second"])),
        ("sort=newest", json!(["b-second", "a-first", "admin"])),
    ];
    for (query, expected) in shown {
        browser.visit(&format!("/console/accounts?{query}")).await?;
        let found = browser.script(names).await?;
        ensure!(found == expected, "{query}: {found}");
    }
    browser.choose("Order", "newest first").await?;
    browser.press("Find").await?;
    ensure!(browser.path().await?.contains("sort=newest"), "{}", browser.path().await?);
    operator.close().await
}
