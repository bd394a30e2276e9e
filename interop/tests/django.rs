//! Our callers against the original's server: a Django project with the
//! middleware of `asymmetric_jwt_auth`.

use anyhow::Result;
use countersign_client::{KeySource, Passphrase, SignRequests, Signer};
use countersign_core::{KeyKind, RsaBits};
use interop::{Caller, Django, KeyFiles, KeyFormat, PASSPHRASE, Request};

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

#[tokio::test]
async fn our_client_reaches_a_view_with_keys_of_every_format() -> Result<()> {
    let mut django = Django::new()?;
    let mut callers = Vec::new();
    for format in KeyFormat::ALL {
        let key = KeyFiles::make(format)?;
        django.trust(format.name, &[&key.public_key()])?;
        callers.push((format, key));
    }
    let url = django.serve().await?;
    let whoami = format!("{url}/whoami");
    for (format, key) in callers {
        let passphrase = format.encrypted.then(|| Passphrase::new(PASSPHRASE));
        let text = std::fs::read_to_string(key.private_key())?;
        for source in [KeySource::file(key.private_key()), KeySource::text(text)] {
            let signer = Signer::load(format.name, &source, passphrase.as_ref())?;
            let client = SignRequests::to([url.parse()?], signer).client()?;
            // The second request needs, and gets, a header of its own.
            for _ in 0..2 {
                let answer = client.get(&whoami).send().await?;
                assert_eq!(answer.status(), 200, "{}", format.name);
                assert_eq!(answer.text().await?, format!(r#"{{"username": "{}"}}"#, format.name));
            }
        }
    }
    Ok(())
}
