//! The commands of `docs/nginx.md` and `docs/gateways.md` as they stand there: each gateway set up by
//! its lines on a machine with our package, and called as the page says.

use anyhow::{Context as _, Result, ensure};
use interop::{DebianPackage, Machine, Page, Request, Upstream, eventually};

const GATEWAY: &str = "http://127.0.0.1:8000";
/// As the pages leave it to their readers.
const DEPLOY: &str = "deploy=/usr/share/doc/countersign/deploy";

/// A machine with the account `robot`, and the service of the pages.
async fn machine() -> Result<(Machine, Upstream)> {
    let machine = Machine::boot()?;
    machine.root().install(&DebianPackage::make("0.0.1")?)?;
    let account = Page::read("installing.md")?.section("## The first account")?;
    machine.follow(&account).await?;
    Ok((machine, Upstream::start_on(3000).await?))
}

/// An access token of the account.
fn access_token(machine: &Machine) -> Result<String> {
    let read = |arguments: &[&str]| -> Result<serde_json::Value> {
        Ok(serde_json::from_str(&machine.run(arguments)?)?)
    };
    let account = read(&["countersign", "account", "show", "robot", "-o", "json"])?;
    let key = read(&["countersign", "api-key", "create", "robot", "-o", "json"])?;
    let body = serde_json::json!({"key": key["key"], "identifier": account["id"]}).to_string();
    let url = "http://127.0.0.1:8080/authenticate";
    let bought = read(&["curl", "-sS", "--json", &body, url])?;
    Ok(bought["jwt"].as_str().with_context(|| format!("{key} bought {bought}"))?.to_owned())
}

#[tokio::test]
async fn nginx() -> Result<()> {
    let page = Page::read("nginx.md")?;
    let (machine, service) = machine().await?;
    machine.run(&["systemctl", "start", "nginx"])?;
    machine.follow(&page.section("## Set it up")?).await?;
    assert_eq!(service.requests(), 1);

    let own = format!("TOKEN={}", access_token(&machine)?);
    machine.follow_with(&own, &page.section("## For users of jwthenticator")?).await?;
    assert_eq!(service.requests(), 2);
    Ok(())
}

/// Sets each up, tries it, and ends it, so that the next may listen where it did.
async fn one_after_the_other(
    machine: &Machine,
    gateways: &Page,
    each: &[(&'static str, &str)],
    [own, try_it]: [&str; 2],
) -> Result<()> {
    for (heading, program) in each {
        machine.follow_with(DEPLOY, &gateways.section(heading)?).await.context(*heading)?;
        // Traefik listens before it knows what for, and says 404.
        let answers = async || Request::get("/").send(GATEWAY).await.ok();
        eventually(heading, async || answers().await.filter(|it| it.status == 401)).await?;
        machine.follow_with(own, &gateways.section(try_it)?).await.context(*heading)?;
        machine.root().end(program).await?;
    }
    let headings = gateways.headings("### ").into_iter();
    let all: Vec<_> =
        headings.filter(|it| gateways.section(it).is_ok_and(|it| it.typed().is_ok())).collect();
    let followed: Vec<_> = each.iter().map(|(heading, _)| *heading).chain([try_it]).collect();
    ensure!(all == followed, "the page has {all:?}, followed were {followed:?}");
    Ok(())
}

#[tokio::test]
async fn gateways_that_ask() -> Result<()> {
    let (machine, service) = machine().await?;
    machine.install_gateways()?;
    let gateways = [
        ("### Caddy", "caddy"),
        ("### Traefik", "traefik"),
        ("### HAProxy", "haproxy"),
        ("### Envoy", "envoy"),
        ("### Envoy, gRPC", "envoy"),
    ];
    let page = Page::read("gateways.md")?.section("## Set it up")?;
    one_after_the_other(&machine, &page, &gateways, ["", "### Try it"]).await?;
    assert_eq!(service.requests(), gateways.len());
    Ok(())
}

#[tokio::test]
async fn gateways_that_do_not_ask() -> Result<()> {
    let (machine, service) = machine().await?;
    machine.install_gateways()?;
    let page = Page::read("gateways.md")?.section("## Gateways that do not ask")?;
    let (settings, _) = page.split_at("### Envoy, by itself")?;
    machine.follow(&settings).await?;
    let own = format!("TOKEN={}", access_token(&machine)?);
    let gateways = [("### Envoy, by itself", "envoy"), ("### Apache", "apache2")];
    one_after_the_other(&machine, &page, &gateways, [&own, "### Try them"]).await?;
    assert_eq!(service.requests(), gateways.len());
    Ok(())
}
