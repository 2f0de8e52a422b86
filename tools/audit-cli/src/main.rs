//! The command `auditlog`: queries, exports, imports and maintains an audit trail.

mod command;
mod encoding;
mod error;
mod exit;
mod filter;
mod global;
mod interrupt;
mod names;
mod number;
mod output;
mod pager;
mod progress;
mod report;
mod session;
mod store;
mod text;
mod trail;
mod warnings;
mod zone;

use std::env;
use std::process::ExitCode;

use clap::Parser;

use crate::command::Cli;
use crate::exit::Exit;

fn main() -> ExitCode {
    warnings::print();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and versions are errors to clap.
        Err(help) if !help.use_stderr() => help.exit(),
        Err(error) if env::args_os().any(|argument| argument == "--json") => {
            report::print_usage(&error);
            return Exit::Usage.into();
        }
        Err(error) => {
            report::print_usage_lines(&error);
            return Exit::Usage.into();
        }
    };
    let json = cli.global.json;
    let colour = cli.global.color;
    match command::run(cli) {
        Ok(exit) => exit.into(),
        // A reader such as `head` may close the pipe.
        Err(error) if error.is_closed_pipe() => Exit::Done.into(),
        Err(error) => {
            report::print(&error, json, colour);
            error.exit().into()
        }
    }
}
