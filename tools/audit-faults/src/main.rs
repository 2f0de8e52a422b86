//! Kills those who write to a trail on PostgreSQL, and its server, and then counts: every
//! entry whose writer was told that it is kept is there exactly once, and none of a
//! transaction that was rolled back.
//!
//! `cargo run --release -p audit-faults -- --seconds 120` starts a server of its own and four
//! processes of eight threads each. Every second or so, one of three things happens: a process
//! is killed (SIGKILL) and another one begins, the server ends all of the writers' sessions,
//! or the server itself is ended as by a crash and starts again. What each writer was told is
//! in its journal, which outlives it. The exit status is 0 if journals and trail agree.

mod campaign;
mod journal;
mod payment;
mod verdict;
mod writer;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A result of this program.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
#[command(about = "Kills writers and their server, and counts what the trail holds")]
struct Arguments {
    #[command(flatten)]
    campaign: campaign::Plan,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Writes until the standard input ends; what this program starts.
    #[command(hide = true)]
    Write(writer::Place),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        None => campaign::run(&arguments.campaign),
        Some(Command::Write(place)) => writer::run(place).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
