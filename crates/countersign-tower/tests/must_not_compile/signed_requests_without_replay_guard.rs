//! E0061: signed requests need something that makes each of them work once.

use std::sync::Arc;

use countersign_core::ports::Directory;
use countersign_tower::{Policy, SignedRequests};

fn accepting(accounts: Arc<dyn Directory>) {
    let _ = Policy::accepting(SignedRequests::of(accounts)).build();
}

fn main() {
    let _ = accepting;
}
