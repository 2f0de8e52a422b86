//! Measures auditlog beside hand-written or raw code that does the same work, in one run.
//!
//! `cargo run --release -p audit-bench -- <group>...`, groups `diff`, `draft`, `sqlite`,
//! `history` and `build` (all without an argument). Each row is the median of interleaved rounds:
//! `<name> ours=<value> reference=<value> ratio=<x> budget=<y> ok|OVER`.
//!
//! With `--features postgres` there is the group `postgres`, which needs a server: it is found
//! as the tests find one. With `--features peers` the group `diff` goes on with other crates that diff values.

mod allocations;
mod build;
mod by_hand;
mod diff;
mod draft;
mod history;
mod measure;
mod model;
#[cfg(feature = "peers")]
mod peers;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use std::error::Error;
use std::process::ExitCode;

/// A group of rows.
type Group = (&'static str, fn() -> Result<(), Box<dyn Error>>);

const GROUPS: &[Group] = &[
    ("diff", diff::run),
    ("draft", draft::run),
    ("sqlite", sqlite::run),
    ("history", history::run),
    #[cfg(feature = "postgres")]
    ("postgres", postgres::run),
    ("build", build::run),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted == ["iterate"] {
        return match history::iterate() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    #[cfg(feature = "postgres")]
    if wanted == [postgres::awake::ARGUMENT] {
        postgres::awake::run();
        return ExitCode::SUCCESS;
    }
    for name in &wanted {
        if !GROUPS.iter().any(|(group, _)| group == name) {
            let known: Vec<_> = GROUPS.iter().map(|(group, _)| *group).collect();
            eprintln!("unknown group `{name}`; expected {}", known.join(", "));
            return ExitCode::from(2);
        }
    }
    for (group, run) in GROUPS {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == group) {
            continue;
        }
        if let Err(error) = run() {
            eprintln!("group {group} failed: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
