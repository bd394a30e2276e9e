//! E0599: identities for tests are only there with the feature `testing`.

use countersign_tower::{Identity, Policy};

fn caller(proved: countersign_core::Identity, policy: Policy) -> Identity {
    Identity::unproved_for_tests(proved, policy)
}

fn main() {
    let _ = caller;
}
