//! Numbers in arguments.

use std::str::FromStr;

/// Parses a number that is not negative.
///
/// # Errors
/// Returns the message that follows clap's "invalid value".
pub(crate) fn parse<N: FromStr>(text: &str) -> Result<N, &'static str> {
    text.parse().map_err(|_| "expected a number such as 20")
}
