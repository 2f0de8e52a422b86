//! Injects faults into the writers of a trail on PostgreSQL and into its server, then compares the
//! trail with the writers' journals: every acknowledged entry is stored exactly once, and no entry
//! of a transaction that was rolled back is stored.
//!
//! `cargo run --release -p audit-faults -- --seconds 120` starts a server and four writer processes
//! of eight threads each. About once a second it injects one of three faults: it kills a process
//! (SIGKILL) and starts another one, terminates all sessions of the writers, or stops the server
//! as in a crash and restarts it. The exit status is 0 if the journals and the trail agree.

mod campaign;
mod journal;
mod payment;
mod report;
mod writer;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[derive(Parser)]
#[command(about = "Injects faults into writers and their server, and checks the trail")]
struct Arguments {
    #[command(flatten)]
    campaign: campaign::CampaignArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Writes until the standard input ends; started by this program.
    #[command(hide = true)]
    Write(writer::WriterArgs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        None => campaign::run(&arguments.campaign),
        Some(Command::Write(args)) => writer::run(args).map(|()| true),
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
