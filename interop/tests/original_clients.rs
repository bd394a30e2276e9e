//! The original's clients against our server: every release that is still used,
//! and every way in which its documentation makes a header.

use anyhow::Result;
use countersign_core::PublicKey;
use interop::{Countersign, KeyFiles, KeyFormat, Original, Signed};

/// The server accepts what was signed, as that account, and only once.
async fn assert_accepted_once(server: &Countersign, account: &str, signed: &Signed) -> Result<()> {
    let accepted = server.asks(&signed.authorization).await?;
    assert_eq!(accepted, (200, account.to_owned()));
    let replayed = server.asks(&signed.authorization).await?;
    assert_eq!(replayed, (401, String::new()), "{account} replayed");
    Ok(())
}

#[tokio::test]
async fn key_files_and_key_texts_of_every_format_are_accepted() -> Result<()> {
    let server = Countersign::start().await?;
    for format in KeyFormat::ALL {
        let key = KeyFiles::make(format)?;
        server.account(format.name, &[&key.public_key()])?;
        for original in Original::ALL {
            for how in ["file", "text"] {
                let signed = original.sign(format.name, &key.for_python(how))?;
                assert_accepted_once(&server, format.name, &signed).await?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn keys_that_the_original_generates_are_accepted() -> Result<()> {
    let server = Countersign::start().await?;
    for original in Original::ALL {
        for key_type in ["RSA", "Ed25519"] {
            let account = format!("{original:?}-{key_type}");
            let signed = original.sign(&account, &["generate", key_type])?;
            let public_key = server.file(&account, &signed.public_key)?;
            server.account(&account, &[&public_key])?;
            assert_accepted_once(&server, &account, &signed).await?;

            let ours = PublicKey::read(signed.public_key.as_bytes())?.key;
            assert_eq!(ours.fingerprints().spki_pem_sha256(), signed.fingerprint);
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_wire_form_of_0_x_is_accepted() -> Result<()> {
    let server = Countersign::start().await?;
    let format = KeyFormat::ALL[0];
    assert!(format.is_rsa(), "0.x knew no other type");
    let key = KeyFiles::make(format)?;
    server.account("robot", &[&key.public_key()])?;
    for _ in 0..5 {
        let signed = Original::V1_3.sign_0x("robot", &key.private_key())?;
        assert_accepted_once(&server, "robot", &signed).await?;
    }
    Ok(())
}

#[tokio::test]
async fn another_key_is_refused() -> Result<()> {
    let server = Countersign::start().await?;
    let key = KeyFiles::make(KeyFormat::ALL[0])?;
    server.account("robot", &[&key.public_key()])?;
    for original in Original::ALL {
        for key_type in ["RSA", "Ed25519"] {
            let signed = original.sign("robot", &["generate", key_type])?;
            assert_eq!(server.asks(&signed.authorization).await?, (401, String::new()));
        }
    }
    let other = KeyFiles::make(KeyFormat::ALL[0])?;
    let signed = Original::V1_3.sign_0x("robot", &other.private_key())?;
    assert_eq!(server.asks(&signed.authorization).await?, (401, String::new()));
    Ok(())
}
