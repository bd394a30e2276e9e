//! E0599: identities for tests are only there with the feature `testing`.

use countersign_core::{AccountName, Identity};

fn identity(account: AccountName) -> Identity {
    Identity::unproved_for_tests(account, Vec::new())
}

fn main() {
    let _ = identity;
}
