//! E0277: what a gateway reports is not proved to the service.

use countersign_core::{Identity, ReportedIdentity};

fn identity(reported: ReportedIdentity) -> Identity {
    reported.into()
}

fn main() {
    let _ = identity;
}
