//! The facade: it re-exports the core item by item, and names the feature that a store needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn source(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    fs::read_to_string(root.expect("the workspace").join(path)).expect("UTF-8")
}

/// Returns the names of the re-exports that begin with a path, and the lists of them.
fn reexports(code: &str, from: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for statement in code.split(&format!("pub use {from}::")).skip(1) {
        let (list, _) = statement.split_once(';').expect("the end of a `use`");
        let list = list.split_once('{').map_or(list, |(_, list)| list);
        let items = list.trim_end_matches('}').split(',').map(str::trim);
        let name = |item: &str| item.rsplit("::").next().unwrap_or_default().to_owned();
        names.extend(items.filter(|item| !item.is_empty()).map(name));
    }
    names
}

#[test]
fn the_facade_has_every_item_of_the_core() {
    let core = source("audit-core/src/lib.rs");
    let (core, _) = core.split_once("pub mod backend").expect("a module");
    let mut expected = reexports(core, "crate");
    let more = [
        "__derived",
        "__private",
        "assert_audited",
        "backend",
        "critical",
        "testing",
    ];
    expected.extend(more.map(str::to_owned));
    assert!(expected.len() > 150, "only {} items", expected.len());

    let facade = source("src/lib.rs");
    let (facade, _) = facade.split_once("pub mod prelude").expect("a module");
    assert_eq!(reexports(facade, "audit_core"), expected);
}

#[test]
fn the_prelude_of_the_facade_has_that_of_the_core() {
    let prelude = |code: &str, from: &str| {
        let (_, prelude) = code.split_once("pub mod prelude {").expect("a module");
        reexports(prelude, from)
    };
    let core = prelude(&source("audit-core/src/lib.rs"), "crate");
    let facade = source("src/lib.rs");
    let facade: BTreeSet<_> = prelude(&facade, "audit_core");
    let missing: Vec<_> = core.difference(&facade).collect();
    assert!(core.len() > 10 && missing.is_empty(), "{missing:?}");
}

/// Returns the errors of a program that uses the facade without optional features.
fn errors_of(name: &str, program: &str) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let root = root.expect("the workspace");
    let folder = target.join(format!("facade-{name}"));
    fs::create_dir_all(folder.join("src")).expect("a folder");
    let manifest = format!(
        "[workspace]\n[package]\nname = \"facade-{name}\"\nedition = \"2024\"\n\
         [dependencies]\nauditlog = {{ path = '{}' }}\n",
        root.display()
    );
    fs::write(folder.join("Cargo.toml"), manifest).expect("the manifest");
    fs::write(folder.join("src/main.rs"), program).expect("the program");
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file");
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--quiet"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", target.parent().expect("the target"))
        .env("CARGO_TERM_COLOR", "never")
        .output()
        .expect("Cargo runs");
    assert!(!output.status.success(), "the program compiles");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn a_store_of_the_prelude_whose_feature_is_off_names_the_feature() {
    let errors = errors_of(
        "prelude",
        r#"
        use auditlog::prelude::*;

        fn main() -> auditlog::Result<()> {
            AuditLog::builder().store(SqliteStore::open("audit.db")?).install()?;
            AuditLog::builder().store(PostgresStore::connect("postgres://db")?).install()?;
            Ok(())
        }
        "#,
    );
    for text in [
        "`SqliteStore` needs the feature `sqlite` of `auditlog`",
        "run `cargo add auditlog --features sqlite`",
        "`PostgresStore` needs the feature `postgres` of `auditlog`",
        "run `cargo add auditlog --features postgres`",
    ] {
        assert!(errors.contains(text), "{text} is not in:\n{errors}");
    }
}

#[test]
fn a_path_of_the_facade_whose_feature_is_off_names_the_feature() {
    let errors = errors_of(
        "paths",
        r"
        use auditlog::SqliteStore;
        use auditlog::postgres::PostgresStore;

        fn main() {
            auditlog::logging::basic_config();
            auditlog::register_all();
        }
        ",
    );
    for feature in ["sqlite", "postgres", "logging", "auto"] {
        let text = format!("gated behind the `{feature}` feature");
        assert!(errors.contains(&text), "{text} is not in:\n{errors}");
    }
}

/// Collects the sources below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry of the folder").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// Returns the crates of this workspace that a line of an example names. Links and text in backticks do
/// not count.
fn crates_in_example(line: &str) -> Vec<String> {
    let line = line.trim_start();
    let comment = ["///", "//!"]
        .iter()
        .find_map(|marker| line.strip_prefix(marker));
    let Some(comment) = comment.map(str::trim_start) else {
        return Vec::new();
    };
    if comment.starts_with(['[', '"', '|']) {
        return Vec::new();
    }
    let code: String = comment.split('`').step_by(2).collect();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices("audit_")
        .filter(|(at, _)| !code[..*at].ends_with(|c: char| is_name(c) || c == '('))
        .filter_map(|(at, _)| {
            let end = code[at..].find(|c: char| !is_name(c))?;
            let (name, rest) = code[at..].split_at(end);
            rest.starts_with("::").then(|| name.to_owned())
        })
        .collect()
}

#[test]
fn examples_name_the_facade_and_not_the_crates_behind_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let root = root.expect("the workspace");
    let mut found = Vec::new();
    let mut examples = 0;
    for (folder, own) in [
        ("audit-core", None),
        ("audit-derive", None),
        ("stores/audit-sqlite", None),
        ("stores/audit-postgres", None),
        ("adapters/audit-logging", None),
        ("adapters/audit-sqlx", Some("audit_sqlx")),
        ("adapters/audit-diesel", Some("audit_diesel")),
        ("adapters/audit-sea-orm", Some("audit_sea_orm")),
        ("outward/audit-import", Some("audit_import")),
    ] {
        let mut files = Vec::new();
        collect(&root.join(folder).join("src"), &mut files);
        for file in files {
            let text = fs::read_to_string(&file).expect("UTF-8");
            examples += text.matches("use auditlog::").count();
            for line in text.lines() {
                for name in crates_in_example(line) {
                    let is_test_tool = ["audit_testbed", "audit_testkit"].contains(&&*name);
                    if !is_test_tool && own != Some(&*name) {
                        found.push(format!("{}: {}", file.display(), line.trim()));
                    }
                }
            }
        }
    }
    assert!(examples > 100, "only {examples} examples were found");
    assert!(
        found.is_empty(),
        "name `auditlog` instead:\n{}",
        found.join("\n")
    );
}
