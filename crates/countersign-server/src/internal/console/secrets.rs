//! The secrets that visitors have: 256 random bits, which need no slow hash, as nobody can try
//! them all.

use aws_lc_rs::digest::{Context, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::{Random, SecretHash};

/// How long one is as text.
const LENGTH: usize = 43;

/// 256 random bits in base64url.
pub(super) fn draw(random: &dyn Random) -> String {
    let mut bits = [0; 32];
    random.fill(&mut bits);
    URL_SAFE_NO_PAD.encode(bits)
}

/// Whether it could be one. Nobody is asked about others.
pub(super) fn may_be(secret: &str) -> bool {
    secret.len() == LENGTH
}

/// What the store knows of one.
pub(super) fn hash(secret: &str) -> SecretHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    SecretHash::from_bytes(hash)
}

/// What the forms of a session carry: it follows from the session's secret, so that it need not
/// be kept, and nothing leads back.
pub(super) fn of_forms(session: &str) -> String {
    let mut context = Context::new(&SHA256);
    context.update(b"forms of the console session ");
    context.update(session.as_bytes());
    URL_SAFE_NO_PAD.encode(context.finish())
}

/// Whether both are the same, in a time that does not tell where they differ.
pub(super) fn same(one: &str, other: &str) -> bool {
    hash(one) == hash(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zeros;

    impl Random for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn what_is_kept_and_shown_of_a_secret_is_neither_it_nor_each_other() {
        let secret = draw(&Zeros);
        assert!(may_be(&secret) && !may_be("") && !may_be(&secret[1..]));
        let forms = of_forms(&secret);
        assert_ne!(forms, secret);
        assert_ne!(hash(&forms), hash(&secret));
        assert_ne!(forms, URL_SAFE_NO_PAD.encode(hash(&secret).as_bytes()));
        assert!(same(&forms, &of_forms(&secret)) && !same(&forms, &secret));
    }
}
