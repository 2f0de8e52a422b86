//! The command with PostgreSQL. Tests without a server are reported as ignored.

#[cfg(feature = "postgres")]
mod access;
#[cfg(feature = "postgres")]
mod commands;
#[cfg(feature = "postgres")]
#[path = "../cli/queries.rs"]
mod queries;
#[cfg(feature = "postgres")]
#[path = "../cli/scratch.rs"]
#[expect(dead_code, reason = "some of it is for files")]
mod scratch;
#[cfg(feature = "postgres")]
mod stores;
#[cfg(feature = "postgres")]
mod trail;

use libtest_mimic::Arguments;

#[cfg(feature = "postgres")]
fn main() {
    commands::run(&Arguments::from_args()).exit();
}

#[cfg(not(feature = "postgres"))]
fn main() {
    eprintln!("PostgreSQL is not tested: the feature `postgres` is off");
    let ignored = libtest_mimic::Trial::test("the_command_with_postgresql", || Ok(()));
    let trials = vec![
        ignored
            .with_kind("without the feature `postgres`")
            .with_ignored_flag(true),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
