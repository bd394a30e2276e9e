//! Keys that prove nothing are refused, each for its own reason.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_core::{
    KeyKind, KeyType, PrivateKey, PublicJwk, PublicKey, PublicKeyError, ReadPublicKeyError, RsaBits,
};
use curve25519_dalek::constants::EIGHT_TORSION;
use serde_json::json;

/// The reason for which an RSA key is refused, in two formats.
fn rsa(n: &[u8], e: &[u8]) -> Result<PublicKey, PublicKeyError> {
    let encode = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
    let jwk = json!({"kty": "RSA", "n": encode(n), "e": encode(e)}).to_string();
    let from_jwk = PublicJwk::read(&jwk).map(|jwk| jwk.key).map_err(|error| match error {
        countersign_core::JwkError::Key(reason) => reason,
        other => panic!("{other:?}"),
    });
    let string = |bytes: &[u8], sign: bool| {
        let sign = vec![0; usize::from(sign && bytes[0] & 0x80 != 0)];
        let length = u32::try_from(bytes.len() + sign.len()).unwrap().to_be_bytes();
        [&length[..], &sign, bytes].concat()
    };
    let blob = [string(b"ssh-rsa", false), string(e, true), string(n, true)].concat();
    let line = format!("ssh-rsa {}", STANDARD.encode(blob));
    let from_openssh = PublicKey::read(line.as_bytes()).map(|file| file.key).map_err(refusal);
    assert_eq!(from_jwk, from_openssh);
    from_jwk
}

fn refusal(error: ReadPublicKeyError) -> PublicKeyError {
    match error {
        ReadPublicKeyError::Refused { reason, .. } => reason,
        ReadPublicKeyError::Malformed { detail, .. } => PublicKeyError::Malformed(detail),
        other => panic!("{other:?}"),
    }
}

/// An odd number of this many bits; whether it is a product of two primes, no
/// public key tells.
fn modulus(bits: usize) -> Vec<u8> {
    let mut bytes = vec![0x5a; bits.div_ceil(8)];
    let top = (bits - 1) % 8;
    bytes[0] = 1 << top | (bytes[0] & ((1 << top) - 1));
    *bytes.last_mut().unwrap() |= 1;
    bytes
}

const E: [u8; 3] = [1, 0, 1];

#[test]
fn rsa_moduli_have_2048_to_8192_bits() {
    for bits in [512, 1024, 2040, 2047] {
        assert_eq!(rsa(&modulus(bits), &E), Err(PublicKeyError::RsaTooShort(bits)));
    }
    for bits in [8193, 8200, 16384] {
        assert_eq!(rsa(&modulus(bits), &E), Err(PublicKeyError::RsaTooLong(bits)));
    }
    for bits in [2048, 2049, 2055, 4096, 8191, 8192] {
        assert_eq!(rsa(&modulus(bits), &E).unwrap().bits(), bits);
    }
}

#[test]
fn an_even_rsa_modulus_is_refused() {
    let mut even = modulus(2048);
    *even.last_mut().unwrap() &= !1;
    assert_eq!(rsa(&even, &E), Err(PublicKeyError::RsaEvenModulus));
}

#[test]
fn rsa_exponents_are_odd_and_neither_tiny_nor_huge() {
    let n = modulus(2048);
    let refused = |e: &[u8]| rsa(&n, e).unwrap_err();
    assert_eq!(refused(&[1]), PublicKeyError::RsaTinyExponent(1));
    for even in [&[2][..], &[4], &[1, 0, 0], &[1, 0, 2]] {
        assert_eq!(refused(even), PublicKeyError::RsaEvenExponent, "{even:?}");
    }
    for huge in [&[2, 0, 0, 0, 1][..], &[0xff, 0, 0, 0, 1], &[1, 0, 0, 0, 0, 0, 0, 0, 1], &n] {
        assert_eq!(refused(huge), PublicKeyError::RsaHugeExponent, "{huge:?}");
    }
    for good in [&[3][..], &[17], &[35], &[1, 0, 1], &[0xff, 0xff, 0xff, 0xff], &[1, 0, 0, 0, 1]] {
        assert!(rsa(&n, good).is_ok(), "{good:?}");
    }
}

#[test]
fn a_zero_exponent_is_refused() {
    // Zero has no JWK form without a leading zero byte; an OpenSSH line has.
    let n = modulus(2048);
    let blob = [
        &[0, 0, 0, 7][..],
        b"ssh-rsa",
        &[0, 0, 0, 0],
        &u32::try_from(n.len()).unwrap().to_be_bytes(),
        &n,
    ];
    let mut blob = blob.concat();
    if n[0] & 0x80 != 0 {
        let at = blob.len() - n.len();
        blob.insert(at, 0);
        blob[at - 4..at].copy_from_slice(&u32::try_from(n.len() + 1).unwrap().to_be_bytes());
    }
    let line = format!("ssh-rsa {}", STANDARD.encode(blob));
    assert_eq!(
        refusal(PublicKey::read(line.as_bytes()).unwrap_err()),
        PublicKeyError::RsaTinyExponent(0)
    );
}

/// The reason for which an Ed25519 key is refused, in two formats.
fn ed25519(point: [u8; 32]) -> Result<PublicKey, PublicKeyError> {
    let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let from_der = PublicKey::from_spki_der(&[&prefix[..], &point].concat());
    let blob = [&b"\0\0\0\x0bssh-ed25519\0\0\0\x20"[..], &point].concat();
    let line = format!("ssh-ed25519 {}", STANDARD.encode(blob));
    let from_openssh = PublicKey::read(line.as_bytes()).map(|file| file.key).map_err(refusal);
    assert_eq!(from_der, from_openssh);
    from_der
}

/// The eight points of small order, canonically encoded.
const SMALL_ORDER: [&str; 8] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
];

#[test]
fn the_eight_ed25519_points_of_small_order_are_refused() {
    let mut listed = SMALL_ORDER.map(point);
    for point in listed {
        assert_eq!(ed25519(point), Err(PublicKeyError::Ed25519SmallOrder), "{point:x?}");
    }
    // The list is complete.
    let mut all = EIGHT_TORSION.map(|point| point.compress().0);
    listed.sort_unstable();
    all.sort_unstable();
    assert_eq!(listed, all);
}

#[test]
fn ed25519_points_that_are_not_canonically_encoded_are_refused() {
    // Every y of 255 bits that is not below p = 2^255 - 19, with both signs.
    let mut on_the_curve = 0;
    for excess in 0..19_u8 {
        for sign in [0, 0x80] {
            let mut point = [0xff; 32];
            point[0] = 0xed + excess;
            point[31] = 0x7f | sign;
            match ed25519(point).unwrap_err() {
                PublicKeyError::Ed25519NotCanonical => on_the_curve += 1,
                PublicKeyError::Ed25519NotOnCurve => {}
                other => panic!("{point:x?}: {other:?}"),
            }
        }
    }
    assert!(on_the_curve > 4, "some of them mean a point: {on_the_curve}");
    // x = 0 has no negative: y = 1 and y = -1 with the sign bit set.
    for negative_zero in [
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ] {
        assert_eq!(
            ed25519(point(negative_zero)),
            Err(PublicKeyError::Ed25519NotCanonical),
            "{negative_zero}"
        );
    }
}

#[test]
fn ed25519_bytes_that_are_no_point_are_refused() {
    let mut two = [0; 32];
    two[0] = 2;
    assert_eq!(ed25519(two), Err(PublicKeyError::Ed25519NotOnCurve));
}

fn point(hex: &str) -> [u8; 32] {
    std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}

/// What comes of an EC key whose point has these bytes.
fn ec(curve: KeyType, point: &[u8]) -> Result<PublicKey, PublicKeyError> {
    let name: &[u8] = if curve == KeyType::P384 { b"nistp384" } else { b"nistp256" };
    let string =
        |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let blob = [string(&[b"ecdsa-sha2-", name].concat()), string(name), string(point)].concat();
    let line = format!("ecdsa-sha2-{} {}", String::from_utf8_lossy(name), STANDARD.encode(blob));
    PublicKey::read(line.as_bytes()).map(|file| file.key).map_err(refusal)
}

#[test]
fn ec_points_are_on_the_curve_and_of_the_right_length() {
    for (kind, curve, length) in
        [(KeyKind::P256, KeyType::P256, 65), (KeyKind::P384, KeyType::P384, 97)]
    {
        let key = PrivateKey::generate(kind).unwrap();
        let spki = key.public_key().to_spki_der();
        let good = spki[spki.len() - length..].to_vec();
        assert_eq!(ec(curve, &good).as_ref(), Ok(key.public_key()));

        let mut off_the_curve = good.clone();
        *off_the_curve.last_mut().unwrap() ^= 1;
        let mut zero = vec![0; length];
        zero[0] = 4;
        let mut not_reduced = vec![0xff; length];
        not_reduced[0] = 4;
        for wrong in [off_the_curve, zero, not_reduced] {
            assert_eq!(ec(curve, &wrong), Err(PublicKeyError::EcNotOnCurve(curve)));
        }

        assert_eq!(ec(curve, &[0]), Err(PublicKeyError::EcAtInfinity(curve)));
        let compressed = [&[2][..], &good[1..=length / 2]].concat();
        assert_eq!(ec(curve, &compressed), Err(PublicKeyError::EcCompressed(curve)));
        let wrong_length =
            |found| Err(PublicKeyError::EcWrongLength { curve, expected: length, found });
        assert_eq!(ec(curve, &good[..length - 1]), wrong_length(length - 1));
        assert_eq!(ec(curve, &[&good[..], &[0]].concat()), wrong_length(length + 1));
        let mut hybrid = good.clone();
        hybrid[0] = 6;
        for malformed in [hybrid, vec![]] {
            assert!(
                matches!(ec(curve, &malformed), Err(PublicKeyError::Malformed(_))),
                "{malformed:?}"
            );
        }
    }
}

#[test]
fn what_is_generated_is_not_weak() {
    for kind in [
        KeyKind::Ed25519,
        KeyKind::P256,
        KeyKind::P384,
        KeyKind::Rsa(RsaBits::B2048),
        KeyKind::Rsa(RsaBits::B3072),
    ] {
        let key = PrivateKey::generate(kind).unwrap();
        let again = PublicKey::from_spki_der(&key.public_key().to_spki_der());
        assert_eq!(again.as_ref(), Ok(key.public_key()));
    }
}
