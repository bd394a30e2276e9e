//! What must not work: others' forms, markup, an auditor who changes something.

use anyhow::{Result, ensure};
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
