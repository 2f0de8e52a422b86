//! Exit codes of the command.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::error::Error;

/// The exit code of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Success, also with an empty answer.
    Done = 0,
    /// The trail has no such entry, object or version.
    NotFound = 1,
    /// The arguments are invalid.
    Usage = 2,
    /// The store cannot be opened, read or written.
    Store = 3,
    /// The input is invalid.
    Data = 4,
    /// `doctor`, `reconcile` or `archive verify` found a problem.
    Unhealthy = 5,
    /// The output could not be written.
    Output = 6,
    /// The object did not exist at the time.
    Absent = 7,
    /// The removal was not confirmed.
    Declined = 8,
    /// The command was interrupted.
    Interrupted = 130,
}

impl Exit {
    /// All of them, in the order of their codes.
    pub(crate) const ALL: [Self; 10] = [
        Self::Done,
        Self::NotFound,
        Self::Usage,
        Self::Store,
        Self::Data,
        Self::Unhealthy,
        Self::Output,
        Self::Absent,
        Self::Declined,
        Self::Interrupted,
    ];

    /// Returns the exit code after its output: a closed pipe does not hide a problem.
    pub(crate) fn after(self, printed: Result<(), Error>) -> Result<Self, Error> {
        match printed {
            Err(error) if error.is_closed_pipe() && self != Self::Done => Ok(self),
            printed => printed.map(|()| self),
        }
    }

    /// Returns the code.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the name in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotFound => "not_found",
            Self::Usage => "usage",
            Self::Store => "store",
            Self::Data => "data",
            Self::Unhealthy => "unhealthy",
            Self::Output => "output",
            Self::Absent => "absent",
            Self::Declined => "declined",
            Self::Interrupted => "interrupted",
        }
    }

    /// Returns the description for `--help` and the manual.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "success, including an empty result",
            Self::NotFound => "the trail has no such entry, object or version",
            Self::Usage => "an argument, a query or a time is invalid",
            Self::Store => "the store cannot be opened, read or written, or has damaged rows",
            Self::Data => "the input of an import is invalid",
            Self::Unhealthy => "doctor, reconcile or archive verify found a problem",
            Self::Output => "the output cannot be written",
            Self::Absent => "as-of: the object did not exist at that time",
            Self::Declined => "prune, archive expire: the removal was not confirmed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Returns the table of all codes for `--help`.
    pub(crate) fn help() -> String {
        let mut text = String::from("Exit codes:\n");
        for exit in Self::ALL {
            // Writing to a `String` cannot fail.
            let _ok = writeln!(text, "  {:>3}  {}", exit.code(), exit.meaning());
        }
        text
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
