//! Completion scripts.

use crate::support::Sandbox;

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.ok(&["completions", shell]);
        for word in ["set-groups", "passphrase-file", "recover"] {
            assert!(script.contains(word), "{shell} knows no {word}");
        }
    }
}

#[test]
fn help_names_the_exit_codes_and_every_command_explains_itself() {
    let sandbox = Sandbox::new();
    let help = sandbox.ok(&["--help"]);
    assert!(help.contains("4  the server cannot be reached"), "{help}");
    for command in [
        &["serve"][..],
        &["account", "create"],
        &["key", "generate"],
        &["key", "add"],
        &["key", "show"],
        &["key", "convert"],
        &["header"],
        &["request"],
        &["token", "inspect"],
        &["token", "verify"],
        &["admin", "recover"],
        &["jwks", "add"],
    ] {
        let help = sandbox.ok(&[command, &["--help"]].concat());
        assert!(help.contains("Example"), "{command:?} shows no example: {help}");
    }
}
