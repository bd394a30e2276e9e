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

/// What a script says is of no use if the shell does not take it.
#[test]
fn bash_loads_its_script_and_completes_with_it() {
    let sandbox = Sandbox::new();
    sandbox.write("completions.bash", sandbox.ok(&["completions", "bash"]));
    let complete = "
        source completions.bash
        function=$(complete -p countersign | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
        COMP_WORDS=(countersign acc) COMP_CWORD=1
        $function countersign acc countersign
        echo ${COMPREPLY[@]}";
    let output = std::process::Command::new("bash")
        .args(["--norc", "-ec", complete])
        .current_dir(sandbox.path(""))
        .output()
        .expect("bash");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "account", "{}", String::from_utf8_lossy(&output.stderr));
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
        &["health"],
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
