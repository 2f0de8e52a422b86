//! The command on a trail in a file.

mod errors;
mod exporting;
mod importing;
mod maintenance;
mod queries;
mod scratch;
#[cfg(unix)]
mod terminal;

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
