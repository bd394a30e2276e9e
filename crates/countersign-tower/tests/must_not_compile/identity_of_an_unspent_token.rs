//! E0599: a verified token is of nobody until its nonce is spent.

use countersign_core::VerifiedToken;

fn identity(token: VerifiedToken) -> countersign_core::Identity {
    token.identity()
}

fn main() {
    let _ = identity;
}
