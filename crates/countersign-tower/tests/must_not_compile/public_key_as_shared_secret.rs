//! E0308: the text of a public key, which everybody has, is no secret.

use countersign_core::PublicKey;
use countersign_tower::BearerTokens;

fn tokens(key: PublicKey) -> BearerTokens {
    BearerTokens::shared_secret(key)
}

fn main() {
    let _ = tokens;
}
