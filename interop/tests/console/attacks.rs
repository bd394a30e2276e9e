//! What must not work: others' forms, markup, an auditor who changes something.

use anyhow::{Context as _, Result, ensure};
use interop::Request;

use crate::operator::Operator;

#[tokio::test]
async fn an_auditor_looks_at_everything_and_changes_nothing() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    let (private, public) = operator.key_pair("ada.key", &[])?;
    operator.countersign.account("ada", &[&public])?;
    operator.countersign.run(&["account", "set-groups", "ada", "auditor"])?;
    operator.countersign.account("robot", &[])?;
    operator.sign_in(&["--as", "ada", "--identity", &private.to_string_lossy()]).await?;
    for page in ["accounts", "accounts/robot", "signing-keys", "audit"] {
        browser.visit(&format!("/console/{page}")).await?;
        browser.reads("(may look)").await?;
        let forms = "return document.querySelectorAll('main form[method=post]').length";
        ensure!(browser.script(forms).await? == 0, "{page} offers changes");
    }
    // The form is not there; what it would send is refused all the same.
    let posts = [
        ("accounts", "name=eve"),
        ("accounts/robot/change", "act=disable"),
        ("accounts/robot/delete", "name=robot"),
        ("accounts/robot/api-keys", ""),
        ("accounts/robot/jwks-endpoints", "url=https://keys.invalid/"),
        ("signing-keys/rotate", "compromised=yes"),
    ];
    for (path, body) in posts {
        let send = format!(
            "const csrf = document.querySelector('input[name=csrf]').value;
             return fetch('/console/{path}', {{ method: 'POST', redirect: 'manual', body: new URLSearchParams('{body}&csrf=' + csrf) }}).then(answer => answer.status)"
        );
        let status = browser.script(&send).await?;
        ensure!(status == 403, "{path}: {status}");
    }
    let robot = operator.countersign.run(&["account", "show", "robot", "-o", "json"])?;
    ensure!(serde_json::from_str::<serde_json::Value>(&robot)?["disabled"] == false, "{robot}");
    operator.close().await
}

#[tokio::test]
async fn forms_of_others_are_refused() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    operator.countersign.account("robot", &[])?;
    browser.visit("/console/accounts/robot").await?;
    for body in ["act=disable", "act=disable&csrf=", "act=disable&csrf=guessed"] {
        let send = format!(
            "return fetch('/console/accounts/robot/change', {{ method: 'POST', redirect: 'manual', body: new URLSearchParams('{body}') }}).then(answer => answer.status)"
        );
        let status = browser.script(&send).await?;
        ensure!(status == 403, "{body}: {status}");
    }
    // Another site's page, with the right address and the browser's cookie.
    let other = operator.countersign.internal_url().replace("127.0.0.1", "localhost");
    browser.open(&format!("{other}/console/sign-in")).await?;
    let send = format!(
        "const form = document.createElement('form');
         form.method = 'post';
         form.action = '{}/console/accounts/robot/change';
         form.innerHTML = '<input name=act value=disable>';
         document.body.append(form);
         form.submit();",
        operator.countersign.internal_url()
    );
    browser.script(&send).await?;
    let robot = operator.countersign.run(&["account", "show", "robot", "-o", "json"])?;
    ensure!(serde_json::from_str::<serde_json::Value>(&robot)?["disabled"] == false, "{robot}");
    operator.close().await
}

#[tokio::test]
async fn markup_in_names_and_comments_is_text() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    let markup = "<img src=x onerror=\"document.title='owned'\">";
    let (_, public) = operator.key_pair("robot.key", &[])?;
    operator.countersign.account(markup, &[])?;
    let comment = "\"><script>document.title='owned'</script>";
    let public = public.to_string_lossy();
    operator.countersign.run(&["key", "add", markup, &public, "--comment", comment])?;
    let (private, _) = operator.key_pair("other.key", &[])?;
    let header = operator.countersign.run(&[
        "header",
        "--account",
        markup,
        "--key",
        &private.to_string_lossy(),
    ])?;
    let value = header.trim().trim_start_matches("Authorization: ");
    let request = Request::get("/forward-auth").authorization(value);
    ensure!(request.send(operator.countersign.url()).await?.status == 401, "it is forged");

    for (page, text) in
        [("accounts", markup), ("refusals", markup), ("audit", markup), ("accounts", markup)]
    {
        browser.visit(&format!("/console/{page}")).await?;
        browser.reads(text).await?;
        ensure!(!browser.has("img").await?, "{page}");
    }
    browser.press("<img").await?;
    browser.reads(comment).await?;
    let title = browser.script("return document.title").await?;
    ensure!(title.as_str().is_some_and(|title| title.starts_with(markup)), "{title}");
    // Where markup got in all the same, nothing of it would run.
    browser.script("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=`owned`\">')").await?;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    ensure!(browser.script("return document.title").await? != "owned", "a script ran");
    operator.close().await
}

#[tokio::test]
async fn a_link_cannot_make_a_page_say_that_something_was_done() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    operator.countersign.account("robot", &[])?;
    browser.visit("/console/accounts/robot").await?;
    browser.press("Disable the account").await?;
    browser.reads("its requests are refused from now on").await?;
    let told = browser.path().await?;
    let (_, word) = told.split_once("done=").context("what was done")?;
    operator.countersign.account("other", &[])?;
    for said in ["disabled", "key-revoked", word] {
        browser.visit(&format!("/console/accounts/other?done={said}")).await?;
        browser.reads("No keys").await?;
        ensure!(!browser.has(".notice.done").await?, "{said}: {}", browser.text().await?);
    }
    operator.close().await
}

#[tokio::test]
async fn names_that_look_alike_are_told_apart() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    // With a Cyrillic letter, with a letter that is blank, and with two blanks.
    for name in ["robot", "r\u{43e}bot", "robot\u{3164}", "ro bot", "ro  bot"] {
        operator.countersign.account(name, &[])?;
    }
    browser.visit("/console/accounts?search=bot").await?;
    browser.reads("r\\u{43e}bot").await?;
    browser.reads("robot\\u{3164}").await?;
    browser.reads("ro  bot").await?;
    browser.press("r\u{43e}bot").await?;
    browser.reads("r\\u{43e}bot").await?;
    operator.close().await
}

#[tokio::test]
async fn whatever_is_asked_there_the_answer_is_a_page() -> Result<()> {
    let operator = Operator::new().await?;
    let cookie = operator.browser.cookie("countersign-console").await?;
    let secret = cookie["value"].as_str().context("a value")?;
    let cookie = format!("countersign-console={secret}");
    let odd = [
        ("/console/accounts/%FF", 400),
        ("/console/accounts/%0A", 400),
        ("/console/accounts?made=x", 400),
        ("/console/accounts?show=x", 400),
        ("/console/audit?before=x", 400),
        ("/console/signing-keys/pem", 400),
        ("/console/nothing", 404),
        ("/console/accounts/nobody", 404),
    ];
    for (path, status) in odd {
        let request = Request::get(path).line("Cookie", &cookie);
        let answer = request.send(operator.countersign.internal_url()).await?;
        let is_page = answer.body.starts_with("<!doctype html>");
        ensure!(answer.status == status && is_page, "{path}: {answer:?}");
        let kind = answer.all("content-type");
        ensure!(kind == ["text/html; charset=utf-8"], "{path}: {kind:?}");
        ensure!(answer.all("content-security-policy").len() == 1, "{path}: {answer:?}");
    }
    // Refused before the console is reached.
    let elsewhere = Request::get("/console/accounts").line("Sec-Fetch-Site", "cross-site");
    let answer = elsewhere.send(operator.countersign.internal_url()).await?;
    ensure!(answer.status == 403 && answer.body.starts_with("<!doctype html>"), "{answer:?}");
    operator.close().await
}
