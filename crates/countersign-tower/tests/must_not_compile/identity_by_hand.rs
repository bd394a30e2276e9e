//! E0451: nobody outside of core makes an identity.

use countersign_core::{AccountName, Identity};

fn identity(account: AccountName, proved: Identity) -> Identity {
    Identity { account, ..proved }
}

fn main() {
    let _ = identity;
}
