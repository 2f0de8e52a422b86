//! The command on the trail of a program, as a person or a script runs it.

mod exporting;
mod importing;
mod mistakes;
mod questions;
mod scratch;
#[cfg(unix)]
mod terminal;
mod upkeep;
