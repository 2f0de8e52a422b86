//! The commands for PostgreSQL; what cannot be run is reported as ignored.

#[cfg(feature = "postgres")]
mod commands;

use libtest_mimic::Arguments;

#[cfg(feature = "postgres")]
fn main() {
    commands::run(&Arguments::from_args()).exit();
}

#[cfg(not(feature = "postgres"))]
fn main() {
    eprintln!("`triggers` and `reconcile` are not tested: the feature `postgres` is off");
    let ignored = libtest_mimic::Trial::test("triggers_and_reconcile", || Ok(()));
    let trials = vec![
        ignored
            .with_kind("without the feature `postgres`")
            .with_ignored_flag(true),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
