//! `countersign rules check`: whether a file is in order.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::output::{Output, table};
use crate::rules_file;

const AFTER_HELP: &str = "\
A file with rules:
  [[rules]]
  path = \"/health\"                # `*` is one segment, `**` at the end any
  allow = \"public\"

  [[rules]]
  host = \"*.books.example\"        # any host if left out
  path = \"/books/**\"
  methods = [\"GET\", \"HEAD\"]       # any method if left out
  allow = \"authenticated\"

  [[rules]]
  path = \"/books/**\"
  allow = [\"editors\", \"ops\"]      # groups

The first rule that fits decides; what none fits is denied.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct CheckArgs {
    /// The file; `-` is standard input.
    file: PathBuf,
}

pub(super) fn run(args: &CheckArgs, output: Output) -> Result<(), Failure> {
    let rules = rules_file::read(&args.file)?;
    let shown: Vec<String> = rules.rules().iter().map(ToString::to_string).collect();
    output.show(&shown, |shown| {
        let numbered =
            shown.iter().zip(1..).map(|(rule, number)| [number.to_string(), rule.clone()]);
        table(["RULE", ""], numbered)
    })
}
