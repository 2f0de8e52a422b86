//! Runs the pager for long answers on a terminal.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::interrupt;
use crate::text;

/// The default pager.
const DEFAULT: &str = "less";

/// The destination of the output: standard output or a pager.
#[derive(Debug)]
pub(crate) enum Sink {
    Stdout(io::Stdout),
    /// A pager that starts with the first bytes. Until then Ctrl-C ends the command.
    Waiting(Pager),
    Running(Running),
}

/// The command of a pager.
#[derive(Debug)]
pub(crate) struct Pager {
    command: OsString,
    /// Whether a variable names it.
    named: bool,
}

/// A running pager.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
}

impl Pager {
    /// Returns the pager of `AUDITLOG_PAGER` or `PAGER`, else `less`; `None` if the variable is
    /// empty or `cat`, or if the terminal is dumb.
    pub(crate) fn from_environment() -> Option<Self> {
        let named = ["AUDITLOG_PAGER", "PAGER"]
            .into_iter()
            .find_map(env::var_os);
        match named {
            Some(command) if command.is_empty() || command == "cat" => None,
            Some(command) => Some(Self {
                command,
                named: true,
            }),
            None if env::var_os("TERM").is_none_or(|term| term == "dumb") => None,
            None => Some(Self {
                command: DEFAULT.into(),
                named: false,
            }),
        }
    }

    fn start(&self) -> io::Result<Running> {
        let mut command = self.command();
        command.stdin(Stdio::piped());
        // Colours pass, a short answer stays on the screen, and long lines are wrapped.
        match env::var("LESS") {
            Ok(options) => command.env("LESS", format!("-R {options}")),
            Err(_) => command.env("LESS", "-FRX"),
        };
        if env::var_os("LV").is_none() {
            command.env("LV", "-c");
        }
        let mut child = command.spawn()?;
        // The pager handles Ctrl-C; without this the command would exit before the pager. If no
        // handler can be set, Ctrl-C ends both.
        let _unwatched = interrupt::leave();
        let input = child.stdin.take();
        Ok(Running { child, input })
    }

    /// Splits the command at blanks; a shell runs one with other special characters.
    fn command(&self) -> Command {
        let is_plain = |c: char| c.is_alphanumeric() || " -_./+=:,@%".contains(c);
        let text = self.command.to_string_lossy();
        if cfg!(unix) && !text.chars().all(is_plain) {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(&self.command);
            return command;
        }
        let mut words = text.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or(DEFAULT));
        command.args(words);
        command
    }
}

impl Running {
    /// Writes; an interrupt ends the answer as a closed pager does.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.input {
            Some(input) if !interrupt::is_requested() => input.write(bytes),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Sink {
    /// Sends further output through a pager.
    pub(crate) fn page(&mut self, pager: Pager) {
        if matches!(self, Self::Stdout(_)) {
            *self = Self::Waiting(pager);
        }
    }

    /// Closes the pager's input, and waits until the pager exits.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if let Self::Running(running) = self {
            running.input = None;
            let status = running.child.wait()?;
            // The exit code of a shell for a command that it cannot run.
            if matches!(status.code(), Some(126 | 127)) {
                return Err(io::Error::other("the pager cannot be run"));
            }
        }
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Self::Waiting(pager) = self {
            *self = match pager.start() {
                Ok(running) => Self::Running(running),
                Err(error) => {
                    if pager.named {
                        let name = pager.command.to_string_lossy();
                        let name = text::safe(&name);
                        let mut errors = io::stderr();
                        // The answer is printed without a pager.
                        let _lost =
                            writeln!(errors, "warning: the pager `{name}` cannot be run: {error}");
                    }
                    Self::Stdout(io::stdout())
                }
            };
        }
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::Running(running) => running.write(bytes),
            Self::Waiting(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::Running(running) => running.flush(),
            Self::Waiting(_) => Ok(()),
        }
    }
}

impl Drop for Sink {
    /// Waits for an open pager, which has the terminal.
    fn drop(&mut self) {
        // The error cannot be reported any more.
        let _lost = self.finish();
    }
}
