//! `docs/from-jwthenticator.md`.

use std::fs;

use anyhow::{Context as _, Result};
use interop::{DebianPackage, Jwthenticator, Machine, Page, ProtectedService, Session, Step};

use super::NGINX;

const IDENTIFIER: &str = "5d8f6a3a-2e5b-4c0e-9a53-6a7b9d0c1e2f";
const KEY: &str = "a key of a caller";
/// Registers at the original after the import.
const LATECOMER: (&str, &str) = ("2b7d6e0c-4c57-4a52-8f19-0d2b7c1d3e4f", "a key of a latecomer");
/// Registers at Countersign alone.
const NEWCOMER: (&str, &str) = ("0b0c1a44-7d0e-4bb4-8f2f-3d6c5b1b9a10", "a key of a newcomer");
const REFRESH: Step = Step::Refresh { auth_on_fail: false };

/// A client that lives through all of it, and a service behind the original's decorator.
struct Client {
    session: Session,
    service: ProtectedService,
}

impl Client {
    /// It is let through with the access token it has, and with one that it buys with each of
    /// what it has besides; keeps what it bought.
    fn carries_on(&mut self) -> Result<()> {
        let get = Step::Get(self.service.secure());
        let steps = [Step::Validate, get.clone(), REFRESH, get.clone(), Step::Authenticate, get];
        let outcomes = self.session.run(&steps)?;
        for (step, outcome) in steps.iter().zip(&outcomes) {
            let value = outcome.value().with_context(|| format!("{step:?}"))?;
            if let Step::Get(_) = step {
                assert_eq!(value["status"], 200, "{outcome:?}");
            }
        }
        // The token was good as it was, and not because the client bought another.
        assert_eq!(outcomes[0].value()?, true, "{outcomes:?}");
        assert_eq!(outcomes[0].jwt, outcomes[1].jwt);
        let last = outcomes.last().context("outcomes")?;
        self.session.jwt.clone_from(&last.jwt);
        self.session.refresh_token.clone_from(&last.refresh_token);
        Ok(())
    }
}

#[tokio::test]
async fn from_jwthenticator_and_back() -> Result<()> {
    let page = Page::read("from-jwthenticator.md")?;
    let (there, back) = (page.section("## In ten minutes")?, page.section("## The way back")?);
    let machine = Machine::boot()?;
    machine.root().install(&DebianPackage::make("0.0.1")?)?;
    machine.start_nginx_before("http://127.0.0.1:5000", "auth.conf")?;
    let directory = machine.path("/srv/jwthenticator");
    let settings = [("JWT_LEASE_TIME", "3600"), ("KEY_EXPIRY", "10368000")];
    let original = Jwthenticator::at(&directory, 5000, &settings).await?;
    let mut client = Client {
        session: Session::with_key(NGINX, IDENTIFIER, KEY),
        service: ProtectedService::start(NGINX).await?,
    };
    let bought = client.session.run(&[Step::RegisterKey(KEY.into()), Step::Authenticate])?;
    client.session.jwt.clone_from(&bought[1].jwt);
    client.session.refresh_token.clone_from(&bought[1].refresh_token);
    client.carries_on()?;
    let of_the_original = client.session.clone();
    let before = fs::read(original.sqlite_file())?;

    let own = format!("KEY='{KEY}' IDENTIFIER={IDENTIFIER}");
    machine.follow_with(&own, &there).await?;
    assert_eq!(fs::read(original.sqlite_file())?, before, "it was only read");
    client.carries_on()?;

    let latecomer = Session::with_key(original.url(), LATECOMER.0, LATECOMER.1);
    latecomer.run(&[Step::RegisterKey(LATECOMER.1.into())])?[0].value()?;
    let latecomer = Session::with_key(NGINX, LATECOMER.0, LATECOMER.1);
    assert!(latecomer.run(&[Step::Authenticate])?[0].error.is_some());
    let (import, _) = there.split_at("**3. ")?;
    machine.follow(&import.split_at("**2. ")?.1).await?;
    latecomer.run(&[Step::Authenticate])?[0].value()?;

    let before = fs::read(original.sqlite_file())?;
    let newcomer = Session::with_key(NGINX, NEWCOMER.0, NEWCOMER.1);
    let register = [Step::RegisterKey(NEWCOMER.1.into()), Step::Authenticate];
    for outcome in newcomer.run(&register)? {
        outcome.value()?;
    }
    // It is Countersign that answered.
    assert_eq!(fs::read(original.sqlite_file())?, before);
    let trail = machine.run(&["countersign", "audit", "list"])?;
    assert!(trail.contains("api-key.register"), "{trail}");

    machine.follow(&back).await?;
    let from_countersign = client.session.clone();
    assert_ne!(from_countersign.jwt, of_the_original.jwt);
    // As the page's table says.
    let without_key = Session { key: None, ..from_countersign.clone() };
    let outcomes = without_key.run(&[Step::Validate, REFRESH])?;
    assert_eq!(outcomes[0].value()?, true, "both know the key that signed it");
    assert!(outcomes[1].error.is_some(), "{outcomes:?}");
    let outcomes = from_countersign.run(&[Step::Refresh { auth_on_fail: true }])?;
    outcomes[0].value()?;
    client.session = of_the_original;
    client.carries_on()?;
    assert!(newcomer.run(&[Step::Authenticate])?[0].error.is_some());
    for outcome in newcomer.run(&register)? {
        outcome.value()?;
    }
    Ok(())
}
