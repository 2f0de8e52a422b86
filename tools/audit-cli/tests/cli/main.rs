//! The command on a trail in a file, and on one in a file and an archive.

#[cfg(feature = "archive")]
mod archive;
mod errors;
mod exporting;
mod importing;
mod maintenance;
mod queries;
mod scratch;
#[cfg(unix)]
mod terminal;
#[cfg(feature = "web")]
mod web;

macro_rules! on_a_file {
    ($($query:ident)*) => {
        mod on_a_file {
            use crate::{queries, scratch};

            $(
                #[test]
                fn $query() {
                    queries::$query(&scratch::trail(&scratch::folder()));
                }
            )*
        }
    };
}

queries::queries!(on_a_file);

#[cfg(feature = "archive")]
macro_rules! on_an_archive {
    ($($query:ident)*) => {
        mod on_an_archive {
            use crate::{queries, scratch};

            $(
                #[test]
                fn $query() {
                    queries::$query(&scratch::archived_trail(&scratch::folder()));
                }
            )*
        }
    };
}

#[cfg(feature = "archive")]
queries::queries!(on_an_archive);
