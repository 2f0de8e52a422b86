//! What the manifests of published members must have, as `cargo metadata` reports it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// The packages of the workspace and all their dependencies.
static METADATA: LazyLock<Value> = LazyLock::new(|| {
    // For this platform alone: packages of others need not be there.
    let compiler = Command::new("rustc").arg("-vV").output();
    let compiler = String::from_utf8(compiler.expect("rustc runs").stdout).expect("UTF-8");
    let host = compiler
        .lines()
        .find_map(|line| line.strip_prefix("host: "));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--all-features",
        ])
        .args(["--filter-platform", host.expect("a host")])
        .current_dir(root.expect("the workspace"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
});

fn packages() -> impl Iterator<Item = &'static Value> {
    METADATA["packages"].as_array().expect("a list").iter()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// Returns the members that are published: all that do not say `publish = false`.
fn published() -> Vec<&'static Value> {
    let members: BTreeSet<_> = METADATA["workspace_members"]
        .as_array()
        .expect("a list")
        .iter()
        .map(Value::as_str)
        .collect();
    let published: Vec<_> = packages()
        .filter(|package| members.contains(&package["id"].as_str()))
        .filter(|package| package["publish"].is_null())
        .collect();
    assert!(published.len() > 10, "only {} members", published.len());
    published
}

/// Reads a version, with or without its last parts, for comparison.
fn version(text: &str) -> Vec<u32> {
    let mut parts: Vec<u32> = text
        .split('.')
        .map(|part| part.parse().unwrap_or_else(|_| panic!("version {text}")))
        .collect();
    parts.resize(3, 0);
    parts
}

#[test]
fn published_members_describe_themselves() {
    for package in published() {
        let name = text(package, "name");
        for key in [
            "description",
            "license",
            "repository",
            "readme",
            "rust_version",
        ] {
            assert_ne!(text(package, key), "", "{name} has no {key}");
        }
        let keywords = package["keywords"].as_array().expect("a list");
        assert!((1..=5).contains(&keywords.len()), "{name}: {keywords:?}");
        let categories = package["categories"].as_array().expect("a list");
        assert!(
            (1..=5).contains(&categories.len()),
            "{name}: {categories:?}"
        );
        let docs = &package["metadata"]["docs"]["rs"];
        assert_eq!(docs["all-features"], true, "{name}: docs.rs");
    }
}

#[test]
fn no_dependency_needs_a_newer_compiler_than_its_member_declares() {
    let by_id: BTreeMap<_, _> = packages()
        .map(|package| (text(package, "id"), package))
        .collect();
    let nodes: BTreeMap<_, _> = METADATA["resolve"]["nodes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|node| (text(node, "id"), node))
        .collect();
    let mut newer = BTreeSet::new();
    for member in published() {
        let limit = version(text(member, "rust_version"));
        let mut reached = BTreeSet::new();
        let mut next = vec![text(member, "id")];
        while let Some(id) = next.pop() {
            if !reached.insert(id) {
                continue;
            }
            let package = by_id[id];
            let needed = text(package, "rust_version");
            if !needed.is_empty() && version(needed) > limit {
                newer.insert(format!(
                    "{} declares {}, and {} {} needs {needed}",
                    text(member, "name"),
                    text(member, "rust_version"),
                    text(package, "name"),
                    text(package, "version"),
                ));
            }
            for dependency in nodes[id]["deps"].as_array().expect("a list") {
                let kinds = dependency["dep_kinds"].as_array().expect("a list");
                if kinds.iter().any(|kind| kind["kind"] != "dev") {
                    next.push(text(dependency, "pkg"));
                }
            }
        }
        assert!(
            reached.len() > 3,
            "dependencies of {}",
            text(member, "name")
        );
    }
    assert!(newer.is_empty(), "{newer:#?}");
}

/// Returns the crates of a package's normal dependencies with its default features, itself included.
fn crates_of(package: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges=normal", "--prefix=none"])
        .args(["--format={p}", "--package", package])
        .current_dir(root.expect("the workspace"))
        .output()
        .expect("cargo runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .collect()
}

#[test]
fn the_viewer_needs_at_most_20_crates_beyond_the_core() {
    let (viewer, core) = (crates_of("audit-web"), crates_of("audit-core"));
    assert!(core.len() > 10 && core.is_subset(&viewer), "{core:#?}");
    // The viewer itself is not a dependency.
    let beyond: Vec<_> = viewer.difference(&core).collect();
    assert!(beyond.len() <= 21, "{beyond:#?}");
}

#[test]
fn members_depend_on_each_other_so_that_they_can_be_published() {
    let members: BTreeSet<_> = published()
        .iter()
        .map(|package| text(package, "name"))
        .collect();
    for package in published() {
        let name = text(package, "name");
        for dependency in package["dependencies"].as_array().expect("a list") {
            if dependency["path"].is_null() {
                continue;
            }
            let other = text(dependency, "name");
            let required = text(dependency, "req");
            if text(dependency, "kind") == "dev" {
                // With a version, two members would wait for each other.
                assert_eq!(required, "*", "{name} tests with {other}: by path alone");
                continue;
            }
            assert!(
                members.contains(other),
                "{other}, which {name} needs, is not published"
            );
            let exact = name == "auditlog" && ["audit-core", "audit-derive"].contains(&other);
            assert_eq!(
                required.starts_with('='),
                exact,
                "{name}: {other} {required}"
            );
        }
    }
}

#[test]
fn the_design_says_why_each_dependency_is_needed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let design = root.expect("the workspace").join("docs/design.md");
    let design = std::fs::read_to_string(design).expect("UTF-8");
    let tables = design.split("## Dependencies").nth(1).expect("a section");
    let mut unnamed = BTreeSet::new();
    let mut named = 0;
    for package in packages().filter(|package| package["source"].is_null()) {
        for dependency in package["dependencies"].as_array().expect("a list") {
            let name = text(dependency, "name");
            if !dependency["path"].is_null() {
                continue;
            }
            if tables.contains(&format!("`{name}`")) {
                named += 1;
            } else {
                unnamed.insert(format!("{name} of {}", text(package, "name")));
            }
        }
    }
    assert!(unnamed.is_empty(), "{unnamed:#?}");
    assert!(named > 100, "only {named} dependencies were found");
}
