//! Commands that are not in this build.

use std::ffi::OsString;

use clap::Args;

use crate::error::Error;
use crate::exit::Exit;

/// Any arguments.
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct AbsentArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    given: Vec<OsString>,
}

/// Returns the error for a command that is not in this build.
pub(crate) fn run(args: &AbsentArgs, command: &str) -> Result<Exit, Error> {
    log::debug!("`{command}` was given {} arguments", args.given.len());
    Err(Error::absent(&format!("`{command}`")))
}
