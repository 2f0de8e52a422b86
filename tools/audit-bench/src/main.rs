//! Measures auditlog beside hand-written or raw code that does the same work, in one run.
//!
//! `cargo audit-bench -- <group>...`, groups `diff`, `draft`, `entry`, `sqlite`, `history`, `web`
//! and `build` (all without an argument). Each row is the median of interleaved rounds:
//! `<name> ours=<value> reference=<value> ratio=<x> budget=<y> ok|OVER`. With `--markdown` the rows
//! are those of a table in Markdown, for `docs/benchmarks.md`. With `--entries=10000000` the trail of
//! the group `web` has that number of entries; its file stays in the folder for temporary files.
//!
//! The alias `cargo audit-bench` builds SQLite with a page cache for each connection
//! (`.cargo/config.toml`). Otherwise both sides of a row share one, and whichever fills it first
//! is faster; the first line of the output says which it is.
//!
//! With `--features postgres` there is the group `postgres`, which needs a server: it is found
//! as the tests find one. With `--features archive` there is the group `archive`, whose trail has 200,000
//! entries, or as many as `--entries=<count>` says. With `--features peers` the group `diff` goes on with other crates that diff values.

mod allocations;
#[cfg(feature = "archive")]
mod archive;
mod build;
mod by_hand;
mod diff;
mod draft;
mod entry;
mod history;
mod measure;
mod model;
#[cfg(feature = "peers")]
mod peers;
#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;
mod web;

use std::error::Error;
use std::process::ExitCode;

type Run = fn() -> Result<(), Box<dyn Error>>;

/// The groups of rows.
const GROUPS: &[(&str, Run)] = &[
    ("diff", diff::run),
    ("draft", draft::run),
    ("entry", entry::run),
    ("sqlite", sqlite::run),
    ("history", history::run),
    ("web", web::run),
    #[cfg(feature = "postgres")]
    ("postgres", postgres::run),
    #[cfg(feature = "archive")]
    ("archive", archive::run),
    ("build", build::run),
];

/// What this program does when it starts itself.
const CHILDREN: &[(&str, Run)] = &[
    ("iterate", history::iterate),
    (sqlite::neighbour::ARGUMENT, sqlite::neighbour::child),
    #[cfg(feature = "archive")]
    (archive::memory::WRITE, archive::memory::write),
    #[cfg(feature = "archive")]
    (archive::memory::EXPORT, archive::memory::export),
    #[cfg(feature = "postgres")]
    (postgres::awake::ARGUMENT, postgres::awake::run),
];

fn main() -> ExitCode {
    let wanted = measure::configure(std::env::args().skip(1));
    if let [wanted] = &wanted[..]
        && let Some((name, run)) = CHILDREN.iter().find(|(name, _)| name == wanted)
    {
        return finish(name, run());
    }
    for name in &wanted {
        if !GROUPS.iter().any(|(group, _)| group == name) {
            let known: Vec<_> = GROUPS.iter().map(|(group, _)| *group).collect();
            eprintln!("unknown group `{name}`; expected {}", known.join(", "));
            return ExitCode::from(2);
        }
    }
    let mut outcome = sqlite::build().map(|build| measure::heading(&build));
    for (group, run) in GROUPS {
        if wanted.is_empty() || wanted.iter().any(|name| name == group) {
            outcome = outcome.and_then(|()| {
                run().map_err(|error| format!("group {group} failed: {error}").into())
            });
        }
    }
    finish("audit-bench", outcome)
}

fn finish(name: &str, outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
