//! `docs/from-asymmetric-jwt-auth.md`.

use std::fs;

use anyhow::{Context as _, Result};
use interop::{DebianPackage, Django, KeyFiles, KeyFormat, Machine, Original, Page, Request};
use serde_json::Value;

use super::NGINX;

const CALLER: &str = "billing-worker";
/// Registered at Countersign alone.
const NEWCOMER: &str = "worker-8";
const PORT: u16 = 9000;

/// What each release of the client gets for a request of its own.
async fn statuses(account: &str, key: &KeyFiles) -> Result<Vec<u16>> {
    let mut statuses = Vec::new();
    for original in Original::ALL {
        let signed = original.sign(account, &key.for_python("file"))?;
        let request = Request::get("/whoami").authorization(&signed.authorization);
        let answer = request.send(NGINX).await?;
        if answer.status == 200 {
            let said = format!("{{\"username\": \"{account}\"}}");
            assert!(answer.body.contains(&said), "{original:?}: {answer:?}");
        }
        statuses.push(answer.status);
    }
    Ok(statuses)
}

/// Who is let through by whom: before, after and again before.
struct Callers {
    known: KeyFiles,
    newcomer: KeyFiles,
}

impl Callers {
    async fn assert_let_through(&self, newcomer: u16) -> Result<()> {
        assert_eq!(statuses(CALLER, &self.known).await?, [200, 200]);
        assert_eq!(statuses(CALLER, &self.newcomer).await?, [401, 401], "the key of another");
        assert_eq!(statuses(NEWCOMER, &self.newcomer).await?, [newcomer; 2]);
        Ok(())
    }
}

#[tokio::test]
async fn from_django_and_back() -> Result<()> {
    let page = Page::read("from-asymmetric-jwt-auth.md")?;
    let (there, back) = (page.section("## In ten minutes")?, page.section("## The way back")?);
    let machine = Machine::boot()?;
    machine.root().install(&DebianPackage::make("0.0.1")?)?;
    machine.start_nginx_before("http://127.0.0.1:9000", "app.conf")?;
    let mut django = Django::at(&machine.path("/srv/app"))?;
    let callers = Callers {
        known: KeyFiles::make(KeyFormat::ALL[0])?,
        newcomer: KeyFiles::make(KeyFormat::ALL[0])?,
    };
    django.trust(CALLER, &[&callers.known.public_key()])?;
    fs::copy(callers.known.private_key(), machine.path("/srv/worker.pem"))?;
    django.serve_on(PORT).await?;
    callers.assert_let_through(401).await?;

    // Everything up to where the application changes.
    let (until_nginx_asks, application) = there.split_at("**4. ")?;
    machine.follow(&until_nginx_asks).await?;
    callers.assert_let_through(401).await?;

    // Somebody is registered in Django meanwhile.
    let latecomer = KeyFiles::make(KeyFormat::ALL[0])?;
    django.trust("latecomer", &[&latecomer.public_key()])?;
    assert_eq!(statuses("latecomer", &latecomer).await?, [401, 401]);
    machine.follow(&there.split_at("**2. ")?.0).await?;
    assert_eq!(statuses("latecomer", &latecomer).await?, [200, 200]);

    let [middleware] = application.blocks("python").try_into().ok().context("a middleware")?;
    fs::write(machine.path("/srv/app/countersign.py"), middleware)?;
    machine.follow(&application).await?;
    django.serve_on(PORT).await?;
    callers.assert_let_through(401).await?;
    register(&machine, &callers.newcomer)?;
    django.user(NEWCOMER)?;
    callers.assert_let_through(200).await?;

    let (at_the_application, at_nginx) = back.split_at("**2. ")?;
    machine.follow(&at_the_application).await?;
    django.serve_on(PORT).await?;
    let printed = machine.follow(&at_nginx).await?;
    callers.assert_let_through(401).await?;
    assert!(machine.run(&["countersign", "health"]).is_err(), "it has stopped");
    // What was registered meanwhile, as the page has it printed.
    assert!(printed[0].contains("account.create") && printed[0].contains(NEWCOMER), "{printed:?}");
    let file = machine.path("/srv/newcomer.pub");
    fs::write(&file, public_key(&printed[0])?)?;
    django.trust(NEWCOMER, &[&file])?;
    callers.assert_let_through(200).await
}

fn register(machine: &Machine, key: &KeyFiles) -> Result<()> {
    fs::copy(key.public_key(), machine.path("/srv/newcomer.pub"))?;
    machine.run(&["countersign", "account", "create", NEWCOMER])?;
    machine.run(&["countersign", "key", "add", NEWCOMER, "/srv/newcomer.pub"])?;
    Ok(())
}

/// The public key in a list of keys, which ends what was printed.
fn public_key(printed: &str) -> Result<String> {
    let (_, list) = printed.split_once("\n{").context("no list of keys")?;
    let list: Value = serde_json::from_str(&format!("{{{list}"))?;
    Ok(list["keys"][0]["public_key"].as_str().context("no key")?.to_owned())
}
