//! The command on the trail of a program, as a person or a script runs it.

mod exporting;
mod importing;
mod mistakes;
mod questions;
mod scratch;
#[cfg(unix)]
mod terminal;
mod upkeep;

macro_rules! on_a_file {
    ($($question:ident)*) => {
        mod on_a_file {
            use crate::{questions, scratch};

            $(
                #[test]
                fn $question() {
                    questions::$question(&scratch::trail(&scratch::folder()));
                }
            )*
        }
    };
}

questions::questions!(on_a_file);
