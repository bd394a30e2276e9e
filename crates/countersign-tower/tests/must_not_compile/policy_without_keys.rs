//! E0061: a policy begins with what it accepts.

use countersign_tower::Policy;

fn main() {
    let _ = Policy::accepting().build();
}
