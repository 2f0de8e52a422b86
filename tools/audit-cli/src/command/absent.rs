//! What is not in this build.

use std::ffi::OsString;

use clap::Args;

use crate::error::Error;
use crate::exit::Exit;

/// Whatever is given to it.
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct AbsentArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    given: Vec<OsString>,
}

/// Says how to come by a command.
pub(crate) fn run(args: &AbsentArgs, command: &str) -> Result<Exit, Error> {
    log::debug!("`{command}` was given {} arguments", args.given.len());
    Err(Error::absent(&format!("`{command}`")))
}
