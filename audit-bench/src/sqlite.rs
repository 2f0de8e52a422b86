//! `sqlite`
use std::error::Error;
pub(crate) fn run() -> Result<(), Box<dyn Error>> { Ok(()) }
