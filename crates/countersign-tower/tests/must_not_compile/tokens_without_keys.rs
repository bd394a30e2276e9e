//! E0599: bearer tokens begin with what they are verified with.

use countersign_tower::{BearerTokens, Policy};

fn main() {
    let _ = Policy::accepting(BearerTokens::default()).build();
}
