//! The console in a real browser, as an operator uses it and as an attacker would.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use interop::{Browser, Countersign, Request, capture, repository};
use serde_json::json;

/// A server, and a browser in which its first administrator has signed in.
struct Operator {
    countersign: Countersign,
    browser: Browser,
}

impl Operator {
    async fn new() -> Result<Self> {
        Self::with(&[]).await
    }

    async fn with(options: &[&str]) -> Result<Self> {
        let countersign = Countersign::start_with(options).await?;
        let browser = Browser::start(countersign.internal_url()).await?;
        let operator = Self { countersign, browser };
        operator.sign_in(&[]).await?;
        Ok(operator)
    }

    /// Signs in with a link that `countersign console` prints.
    async fn sign_in(&self, who: &[&str]) -> Result<()> {
        self.browser.open(&link(&self.countersign, who)?).await?;
        self.browser.press("Sign in as").await?;
        self.browser.reads("Accounts").await
    }

    /// Makes a key pair; its files.
    fn key_pair(&self, name: &str, more: &[&str]) -> Result<(PathBuf, PathBuf)> {
        let private = self.countersign.file(name, "")?;
        fs::remove_file(&private)?;
        let path = private.to_string_lossy();
        self.countersign.run(&[&["key", "generate", "--out", &path], more].concat())?;
        Ok((private.clone(), PathBuf::from(format!("{path}.pub"))))
    }

    /// What a signed request of this account and key is answered.
    fn signed_request(&self, account: &str, key: &Path) -> String {
        let url = format!("{}/forward-auth", self.countersign.url());
        let key = key.to_string_lossy();
        let arguments = ["request", "--account", account, "--key", &key, "-i", &url];
        // A refusal is an exit code, and an error here.
        self.countersign.run(&arguments).unwrap_or_else(|error| format!("{error:#}"))
    }

    /// Accounts, keys, uses and refusals as an installation has them.
    fn furnish(&self) -> Result<()> {
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

    async fn close(self) -> Result<()> {
        self.browser.close().await
    }
}

fn link(countersign: &Countersign, who: &[&str]) -> Result<String> {
    Ok(countersign.run(&[&["console"], who].concat())?.trim().to_owned())
}

/// Where pictures of the pages are put, to be looked at.
fn pictures() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let directory = target.unwrap_or_else(|| repository().join("target")).join("console");
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

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
    browser.press("Delete…").await?;
    browser.fill("Type billing-worker-7", "billing-worker-7").await?;
    browser.press("Delete the account").await?;
    browser.reads("mail-relay").await?;
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
async fn keys_are_looked_at_saved_replaced_and_revoked() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    let (old, old_public) = operator.key_pair("old.key", &[])?;
    let (new, new_public) = operator.key_pair("new.key", &["--type", "p256"])?;
    operator.countersign.account("robot", &[])?;

    // Pasted: what it is stands there before it is saved.
    browser.visit("/console/accounts/robot").await?;
    browser.fill("Public key", &fs::read_to_string(&old_public)?).await?;
    browser.fill("Comment", "the first").await?;
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
async fn acts_are_in_the_audit_trail_and_can_be_exported() -> Result<()> {
    let operator = Operator::new().await?;
    let browser = &operator.browser;
    browser.visit("/console/accounts").await?;
    browser.fill("Name", "robot").await?;
    browser.press("Make the account").await?;
    browser.press("Disable the account").await?;
    browser.reads("its requests are refused").await?;
    browser.visit("/console/audit").await?;
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
