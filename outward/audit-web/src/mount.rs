//! The path at which the viewer is mounted.

use crate::error::BuildError;
use crate::html::href;
use crate::request::Route;

/// The path at which the viewer is mounted.
#[derive(Clone, Debug)]
pub(crate) enum Mount {
    /// `/`, or unknown.
    Root,
    /// Requests have the full path.
    Prefix(String),
    /// Requests have the path below it.
    Stripped(String),
}

impl Mount {
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let (Self::Prefix(prefix) | Self::Stripped(prefix)) = self else {
            return Ok(());
        };
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"/-_.~".contains(&c);
        let has_empty_part = prefix.split('/').skip(1).any(str::is_empty);
        if prefix.starts_with('/') && !has_empty_part && prefix.bytes().all(is_plain) {
            return Ok(());
        }
        Err(BuildError::Prefix {
            prefix: prefix.clone(),
        })
    }

    /// Returns the part of a path below the viewer, without its first `/`.
    pub(crate) fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let below = match self {
            Self::Prefix(prefix) => {
                let (start, below) = path.split_at_checked(prefix.len())?;
                if !is_equal(start.as_bytes(), prefix.as_bytes()) {
                    return None;
                }
                below
            }
            Self::Root | Self::Stripped(_) => path,
        };
        if below.is_empty() {
            return Some("");
        }
        below.strip_prefix('/')
    }

    /// Returns the path below which the pages are.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::Root => "",
            Self::Prefix(prefix) | Self::Stripped(prefix) => prefix,
        }
    }

    /// Returns the location of the first page, for a request of the viewer's own path.
    pub(crate) fn first_page(&self) -> String {
        let page = href(Route::Search.name(), &[]);
        match self {
            Self::Root => page.as_str().to_owned(),
            Self::Prefix(prefix) | Self::Stripped(prefix) => format!("{prefix}/{}", page.as_str()),
        }
    }
}

/// Compares in a time that does not depend on the content, since a prefix may be a secret.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    let pairs = left.iter().zip(right);
    left.len() == right.len() && pairs.fold(0, |all, (a, b)| all | (a ^ b)) == 0
}
