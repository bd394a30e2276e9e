//! The key pair that an installation of `jwthenticator` brings along.

use std::path::Path;

use countersign_core::ports::Clock as _;
use countersign_core::{
    Algorithm, KeyKind, Passphrase, PrivateKey, PublicKey, RsaBits, SigningKey, UnixTime,
};
use countersign_system::SystemClock;

use crate::config::{Original, OriginalKeys};
use crate::failure::Failure;
use crate::files;
use crate::key_file;
use crate::passphrase::PassphraseArgs;

/// The key that the ring begins with, called what it was called there; none if the
/// environment names none.
///
/// # Errors
/// A [`Failure`] that names the variable or the file.
pub(super) fn read(original: &Original, algorithm: Algorithm) -> Result<Vec<SigningKey>, Failure> {
    let (public, private) = match &original.keys {
        None => return Ok(Vec::new()),
        Some(OriginalKeys::Text { public, private }) => {
            let wrong = |name: &str, error: &dyn std::fmt::Display| {
                Failure::usage(format_args!("{name}: {error}"))
            };
            let public = PublicKey::read(public.as_bytes())
                .map_err(|error| wrong("RSA_PUBLIC_KEY", &error))?;
            let private = private.as_deref().map(|text| {
                PrivateKey::read(text.as_bytes(), None::<&Passphrase>)
                    .map_err(|error| wrong("RSA_PRIVATE_KEY", &error))
            });
            (public.key, private.transpose()?.map(|file| file.key))
        }
        Some(OriginalKeys::Files { public, private }) => {
            if let Some(private) = private {
                make_if_missing(public, private, original.rsa_bits.unwrap_or(RsaBits::B2048))?;
            }
            let key = key_file::read_public(public)?.0;
            let read = |path: &Path| key_file::read_private(path, &PassphraseArgs::default());
            (key, private.as_deref().map(read).transpose()?)
        }
    };
    check(&public, private.as_ref(), algorithm)?;
    Ok(vec![signing_key(public, private, algorithm, SystemClock.now())])
}

/// It signs at once: its verifiers have known it all along.
fn signing_key(
    public_key: PublicKey,
    private_key: Option<PrivateKey>,
    algorithm: Algorithm,
    now: UnixTime,
) -> SigningKey {
    SigningKey {
        kid: public_key.jwthenticator_kid().into(),
        algorithm,
        public_key,
        private_key,
        published_at: now,
        activated_at: Some(now),
        retired_at: None,
        gone_at: None,
    }
}

fn check(
    public: &PublicKey,
    private: Option<&PrivateKey>,
    algorithm: Algorithm,
) -> Result<(), Failure> {
    if public.key_type() != algorithm.key_type() {
        return Err(Failure::usage(format_args!(
            "the key pair is of type {}, which cannot sign with {algorithm}: change JWT_ALGORITHM",
            public.key_type()
        )));
    }
    if private.is_some_and(|private| private.public_key() != public) {
        return Err(Failure::usage(
            "the public and the private key that are given belong to different pairs",
        ));
    }
    Ok(())
}

/// Makes both files if both are missing, the private one for its owner alone.
fn make_if_missing(public: &Path, private: &Path, bits: RsaBits) -> Result<(), Failure> {
    match (public.exists(), private.exists()) {
        (true, true) => return Ok(()),
        (false, false) => {}
        (true, false) => return Err(missing(private)),
        (false, true) => return Err(missing(public)),
    }
    let key = PrivateKey::generate(KeyKind::Rsa(bits)).map_err(Failure::refused)?;
    let pem = key_file::private_pem(&key, None)?;
    files::create_new_whole(private, 0o600, pem.as_bytes())
        .map_err(|error| Failure::file(private, "write", &error))?;
    let pem = key.public_key().to_spki_pem();
    files::create_new_whole(public, 0o644, pem.as_bytes())
        .map_err(|error| Failure::file(public, "write", &error))
}

fn missing(path: &Path) -> Failure {
    Failure::usage(format_args!(
        "there is no {}, but the other half is there: give both files, or none to have them made",
        path.display()
    ))
}
