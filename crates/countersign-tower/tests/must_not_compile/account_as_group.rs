//! E0308: an account's name is never a group's.

use countersign_core::AccountName;
use countersign_tower::Principal;

fn principal(account: AccountName) -> Principal {
    Principal::Group(account)
}

fn main() {
    let _ = principal;
}
