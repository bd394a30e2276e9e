//! E0423: nobody but the layers makes the identity that handlers find.

use std::sync::Arc;

use countersign_tower::Identity;

fn caller(proved: countersign_core::Identity) -> Identity {
    Identity(Arc::new(proved))
}

fn main() {
    let _ = caller;
}
