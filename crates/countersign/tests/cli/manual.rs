//! The manual pages.

use crate::support::Sandbox;

#[test]
fn every_command_has_a_page_that_refers_to_those_below_it() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["man", "share/man/man1"]);
    let page = |name: &str| sandbox.read(&format!("share/man/man1/{name}.1"));
    assert!(page("countersign").contains("countersign\\-serve(1)"));
    assert!(page("countersign-serve").contains("COUNTERSIGN_LISTEN"));
    assert!(page("countersign-account").contains("countersign\\-account\\-set\\-groups(1)"));
    assert!(page("countersign-account-set-groups").contains("SYNOPSIS"));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    let refused = sandbox.run(&["man", "file/man1"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("cannot make file/man1"), "{}", refused.stderr);
}
