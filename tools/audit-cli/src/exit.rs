//! What the command's exit code says.

use std::fmt::Write as _;
use std::process::ExitCode;

/// The exit code of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// All went well; an empty answer to a question is an answer.
    Done = 0,
    /// The trail has no such entry, object or version.
    NotFound = 1,
    /// The command was called in a way it does not understand.
    Usage = 2,
    /// The store cannot be opened, read or written.
    Store = 3,
    /// The input is invalid.
    Data = 4,
    /// `doctor` or `reconcile` found something wrong.
    Unhealthy = 5,
    /// The output could not be written.
    Output = 6,
    /// The object did not exist at the time.
    Absent = 7,
    /// Somebody was asked and said no.
    Declined = 8,
    /// It was interrupted before it was done.
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

    /// Returns the code.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the name by which JSON tells it.
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

    /// Returns what it means, as `--help` and the manual say.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done; an empty answer to a question is an answer",
            Self::NotFound => "the trail has no such entry, object or version",
            Self::Usage => "wrong arguments, a query or a time that cannot be read",
            Self::Store => {
                "the store cannot be opened, read or written, or has rows that are not entries"
            }
            Self::Data => "what was to be imported is not what it should be",
            Self::Unhealthy => "doctor or reconcile found something wrong",
            Self::Output => "the output could not be written",
            Self::Absent => "as-of: the object did not exist then",
            Self::Declined => "prune: asked, and the answer was not yes",
            Self::Interrupted => "interrupted before it was done",
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
