//! Our callers against the original's server: a Django project with the
//! middleware of `asymmetric_jwt_auth`.

use anyhow::Result;
use countersign_core::{KeyKind, RsaBits};
use interop::{Caller, Django, Request};

/// The kinds of key that the original knows.
const KINDS: [(&str, KeyKind); 2] =
    [("ed25519", KeyKind::Ed25519), ("rsa", KeyKind::Rsa(RsaBits::B2048))];

#[tokio::test]
async fn the_original_accepts_our_signer_once() -> Result<()> {
    let mut django = Django::new()?;
    let callers: Vec<Caller> =
        KINDS.iter().map(|(name, kind)| Caller::new(name, *kind)).collect::<Result<_>>()?;
    for caller in &callers {
        django.trust(caller.account(), &[caller.public_key()])?;
    }
    let url = django.serve().await?;
    for caller in &callers {
        let account = caller.account();
        let request = Request::get("/whoami").authorization(&caller.authorization()?);
        let accepted = request.send(&url).await?;
        assert_eq!(accepted.status, 200, "{account}: {accepted:?}");
        assert_eq!(accepted.body, format!(r#"{{"username": "{account}"}}"#));
        assert_eq!(request.send(&url).await?.status, 401, "{account} replayed");
    }
    Ok(())
}

#[tokio::test]
async fn the_original_tells_our_callers_apart() -> Result<()> {
    let mut django = Django::new()?;
    let known = Caller::new("robot", KeyKind::Ed25519)?;
    let impostor = Caller::new("robot", KeyKind::Ed25519)?;
    django.trust("robot", &[known.public_key()])?;
    let url = django.serve().await?;
    for (caller, expected) in [(&impostor, 401), (&known, 200)] {
        let request = Request::get("/whoami").authorization(&caller.authorization()?);
        assert_eq!(request.send(&url).await?.status, expected);
    }
    Ok(())
}
