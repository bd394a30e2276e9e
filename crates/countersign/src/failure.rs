//! Why a command failed: one line for a person, an exit code for a script.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use http::StatusCode;

/// The exit codes, as `docs/cli.md` and `--help` list them. `2` is also what
/// the command line parser exits with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The request, the token or the change was refused, or the work failed.
    Refused = 1,
    /// An option, a setting or a file is not what it should be.
    Usage = 2,
    /// What the command names does not exist.
    NotFound = 3,
    /// The server cannot be reached, or does not answer.
    Unreachable = 4,
}

/// A failed command. An empty message means that everything was said already.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What the server answered, if it did.
    pub(crate) answer: Option<StatusCode>,
    message: String,
}

impl Failure {
    fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, answer: None, message: message.to_string() }
    }

    pub(crate) fn refused(message: impl fmt::Display) -> Self {
        Self::new(Exit::Refused, message)
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn not_found(message: impl fmt::Display) -> Self {
        Self::new(Exit::NotFound, message)
    }

    pub(crate) fn unreachable(message: impl fmt::Display) -> Self {
        Self::new(Exit::Unreachable, message)
    }

    /// The same failure, of a start that this is the reason for: without it there is nothing
    /// to serve.
    pub(crate) fn of_start(self, what: impl fmt::Display) -> Self {
        match self.exit {
            Exit::Refused => Self::usage(format_args!("{what}: {}", self.message)),
            _ => self,
        }
    }

    /// The same failure, which is a server's answer.
    pub(crate) fn of_answer(self, status: StatusCode) -> Self {
        Self { answer: Some(status), ..self }
    }

    /// The failure of a command that has shown its outcome already.
    pub(crate) fn shown(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// A failure to read or write a file. A file that is not there is a usage
    /// error like any other wrong file: the code for "not found" is kept for
    /// accounts and keys.
    pub(crate) fn file(path: &Path, doing: &str, error: &io::Error) -> Self {
        Self::usage(format_args!("cannot {doing} {}: {error}", path.display()))
    }

    /// Writes the message to stderr and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            // A closed stderr leaves the exit code to say it.
            let _ = writeln!(io::stderr(), "error: {}", self.message);
        }
        ExitCode::from(self.exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A broken pipe on stdout is how `head` says "enough": no failure. The rest is.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::shown(Exit::Refused);
        }
        Self::refused(error)
    }
}
