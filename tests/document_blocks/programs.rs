//! Builds and runs the programs of the documents.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::blocks::{Block, root};

/// The binary with all programs but those that have a binary of their own.
const SHARED: &str = "programs";

/// The executables of the programs.
pub(crate) struct Programs {
    executables: Vec<PathBuf>,
}

impl Programs {
    /// Builds the programs, each from its block as it is shown.
    pub(crate) fn build(programs: &[&Block]) -> Self {
        let executables = build(&[], &package_of(programs));
        Self { executables }
    }

    /// Runs a program in a folder.
    pub(crate) fn run(&self, block: &Block, folder: &Path) -> Output {
        let name = if has_own_binary(block) {
            block.name()
        } else {
            SHARED.to_owned()
        };
        let is_wanted = |path: &&PathBuf| path.file_stem().is_some_and(|it| *it == *name);
        let executable = self.executables.iter().find(is_wanted);
        Command::new(executable.expect("its executable"))
            .arg(block.name())
            .current_dir(folder)
            .output()
            .expect("the program starts")
    }
}

/// Builds with Cargo in the target folder of this test, and returns the executables that Cargo reports.
pub(crate) fn build(arguments: &[&str], folder: &Path) -> Vec<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let output = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--quiet", "--message-format=json"])
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target.parent().expect("the target"))
        .output()
        .expect("Cargo runs");
    let messages: Vec<serde_json::Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    if !output.status.success() {
        for message in &messages {
            if let Some(text) = message["message"]["rendered"].as_str() {
                eprintln!("{text}");
            }
        }
        panic!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let executables = messages.iter().filter_map(|it| it["executable"].as_str());
    executables.map(PathBuf::from).collect()
}

/// Returns whether a program is a crate of its own, because it begins with the documentation of one.
fn has_own_binary(block: &Block) -> bool {
    block.text.starts_with("//!")
}

/// Writes a package with the programs, and returns its folder.
///
/// Most programs are modules of one binary, which links once; the argument selects the program.
fn package_of(programs: &[&Block]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("document-blocks");
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the former package");
    }
    let binaries = folder.join("src/bin");
    fs::create_dir_all(binaries.join(SHARED)).expect("a folder");
    let (mut modules, mut arms) = (String::new(), String::new());
    for block in programs {
        let name = block.name();
        let file = format!("{name}.rs");
        if has_own_binary(block) {
            fs::write(binaries.join(file), &block.text).expect("a program");
            continue;
        }
        writeln!(
            modules,
            "mod {name} {{\n    include!({file:?});\n    pub fn run() -> std::process::ExitCode {{ \
             std::process::Termination::report(main()) }}\n}}"
        )
        .expect("written");
        writeln!(arms, "        Some({name:?}) => {name}::run(),").expect("written");
        fs::write(binaries.join(SHARED).join(file), &block.text).expect("a program");
    }
    let main = format!(
        "{modules}\nfn main() -> std::process::ExitCode {{\n    match std::env::args().nth(1).as_deref() \
         {{\n{arms}        _ => panic!(\"no such program\"),\n    }}\n}}\n"
    );
    fs::write(binaries.join(SHARED).join("main.rs"), main).expect("a program");
    let manifest = format!(
        r#"[package]
name = "document-blocks"
version = "0.0.0"
edition = "2024"
publish = false

[dependencies]
audit-testkit = {{ path = {testkit:?} }}
auditlog = {{ path = {root:?}, features = ["logging", "postgres", "sqlite", "web"] }}
axum = {{ version = "0.8", default-features = false, features = ["http1", "tokio"] }}
chrono = {{ version = "0.4", default-features = false, features = ["std", "serde"] }}
futures = "0.3"
hyper = {{ version = "1", default-features = false, features = ["http1", "server"] }}
hyper-util = {{ version = "0.1", default-features = false, features = ["tokio"] }}
serde = {{ version = "1", features = ["derive"] }}
serde_json = "1"
tokio = {{ version = "1", default-features = false, features = ["macros", "net", "rt-multi-thread"] }}
tower-service = "0.3"

[profile.dev]
debug = "line-tables-only"

[workspace]
"#,
        root = root().display().to_string(),
        testkit = root().join("tools/audit-testkit").display().to_string(),
    );
    fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file");
    folder
}
