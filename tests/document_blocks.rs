//! Compiles and runs the Rust blocks of README and `docs/` as a reader sees them, and runs the README's
//! commands on the trail of its first program.
//!
//! A block with `fn main` is a program; `no_run` only compiles it. Any other block is a fragment: the
//! paragraph before it links to the file that has its lines. Blocks without a language are doctests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A fenced block of a document.
struct Block {
    document: PathBuf,
    line: usize,
    /// The words after the fence, such as `rust,no_run`.
    info: String,
    text: String,
    /// The paragraph before the block.
    paragraph: String,
}

impl Block {
    fn has(&self, word: &str) -> bool {
        self.info.split(',').any(|part| part == word)
    }

    fn is_program(&self) -> bool {
        self.text.contains("fn main(")
    }

    fn name(&self) -> String {
        let document = self.document.file_stem().expect("a name");
        let document = document.to_str().expect("UTF-8").to_lowercase();
        format!("{document}_{}", self.line)
    }

    fn location(&self) -> String {
        format!("{}:{}", self.document.display(), self.line)
    }
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("a parent folder").to_owned()
}

/// Returns the README, then the documents in `docs` and its folders.
fn documents() -> Vec<PathBuf> {
    fn collect(folder: &Path, documents: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry of the folder").path();
            if path.is_dir() {
                collect(&path, documents);
            } else if path.extension().is_some_and(|end| end == "md") {
                documents.push(path);
            }
        }
    }
    let mut documents = Vec::new();
    collect(&root().join("docs"), &mut documents);
    documents.sort();
    documents.insert(0, root().join("README.md"));
    documents
}

fn blocks_of(document: &Path) -> Vec<Block> {
    let text = fs::read_to_string(document).expect("UTF-8");
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    let (mut paragraph, mut ended) = (String::new(), false);
    for (index, line) in text.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            if is_open {
                paragraph.clear();
            } else {
                blocks.push(Block {
                    document: document.to_owned(),
                    line: index + 1,
                    info: info.to_owned(),
                    text: String::new(),
                    paragraph: paragraph.clone(),
                });
            }
            is_open = !is_open;
        } else if is_open {
            let block = blocks.last_mut().expect("an open block");
            block.text.push_str(line);
            block.text.push('\n');
        } else if line.trim().is_empty() {
            ended = true;
        } else {
            if std::mem::take(&mut ended) {
                paragraph.clear();
            }
            paragraph.push_str(line);
            paragraph.push(' ');
        }
    }
    assert!(!is_open, "{}: an open block", document.display());
    blocks
}

fn rust_blocks() -> Vec<Block> {
    let blocks = documents().into_iter().flat_map(|path| blocks_of(&path));
    blocks.filter(|block| block.has("rust")).collect()
}

/// Runs Cargo in the target folder of this test and returns the executables that it reports.
fn build(arguments: &[&str], folder: &Path) -> Vec<PathBuf> {
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

/// Writes a package with a program for each block, and returns its folder.
fn package_of(programs: &[&Block]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("document-blocks");
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the former package");
    }
    fs::create_dir_all(folder.join("src/bin")).expect("a folder");
    for block in programs {
        let file = folder.join("src/bin").join(block.name());
        fs::write(file.with_extension("rs"), &block.text).expect("a program");
    }
    let manifest = format!(
        r#"[package]
name = "document-blocks"
version = "0.0.0"
edition = "2024"
publish = false

[dependencies]
auditlog = {{ path = {root:?}, features = ["logging", "postgres", "sqlite"] }}
chrono = {{ version = "0.4", default-features = false, features = ["std", "serde"] }}
serde = {{ version = "1", features = ["derive"] }}
tokio = {{ version = "1", default-features = false, features = ["macros", "rt-multi-thread"] }}

[profile.dev]
debug = "line-tables-only"

[workspace]
"#,
        root = root().display().to_string()
    );
    fs::write(folder.join("Cargo.toml"), manifest).expect("a manifest");
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file");
    folder
}

/// Replaces times and ids, and every run of spaces by one.
fn normalized(text: &str) -> Vec<String> {
    let word = |word: &str| {
        let word = word.trim_end_matches(':');
        let is_time = word.len() > 20 && word.as_bytes()[10] == b'T' && word.ends_with('Z');
        let is_id = word.len() == 36 && word.matches('-').count() == 4;
        match (is_time, is_id) {
            (true, _) => "<time>".to_owned(),
            (_, true) => "<id>".to_owned(),
            _ => word.to_owned(),
        }
    };
    let line = |line: &str| {
        line.split_whitespace()
            .map(word)
            .collect::<Vec<_>>()
            .join(" ")
    };
    text.lines().map(line).collect()
}

/// Runs a command in a folder and returns its output.
fn run(command: &mut Command, folder: &Path, what: &str) -> String {
    let output = command.current_dir(folder).output().expect("it starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{what}: {}: {error}",
        output.status
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn no_block_has_hidden_lines() {
    for block in rust_blocks() {
        let is_hidden = |line: &str| line.trim_start().starts_with("# ") || line.trim() == "#";
        let hidden = block.text.lines().find(|line| is_hidden(line));
        assert_eq!(hidden, None, "{}", block.location());
    }
}

#[test]
fn each_fragment_is_in_the_file_that_it_names() {
    let mut fragments = 0;
    for block in rust_blocks().iter().filter(|block| !block.is_program()) {
        let links = block.paragraph.split("](").skip(1);
        let paths = links.filter_map(|link| link.split(')').next());
        let folder = block.document.parent().expect("a folder");
        let file = paths
            .map(|path| folder.join(path))
            .filter(|path| path.is_file());
        let file = file.last();
        let file = file.unwrap_or_else(|| panic!("{}: names no file", block.location()));
        let text = fs::read_to_string(&file).expect("UTF-8");
        let location = block.location();
        assert!(
            text.contains(&block.text),
            "{location}: not in {}",
            file.display()
        );
        fragments += 1;
    }
    assert!(fragments > 0, "no fragment was found");
}

#[test]
fn the_first_program_is_the_example() {
    let example = fs::read_to_string(root().join("examples/quickstart.rs")).expect("UTF-8");
    let blocks = blocks_of(&root().join("README.md"));
    let first = blocks.iter().find(|block| block.has("rust"));
    assert_eq!(first.expect("a program").text, example);
}

#[test]
fn each_program_and_command_does_what_the_document_shows() {
    let blocks = rust_blocks();
    let programs: Vec<_> = blocks.iter().filter(|block| block.is_program()).collect();
    let executables = build(&[], &package_of(&programs));
    assert_eq!(executables.len(), programs.len());
    for block in programs.iter().filter(|block| !block.has("no_run")) {
        let is_own = |path: &&PathBuf| path.file_stem().is_some_and(|it| *it == *block.name());
        let program = executables.iter().find(is_own).expect("its executable");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let output = run(&mut Command::new(program), folder.path(), &block.location());
        if block.name() == programs[0].name() {
            check_first(&output, folder.path());
        }
    }
}

/// Compares the README with the first program's output and trail.
fn check_first(output: &str, folder: &Path) {
    let blocks = blocks_of(&root().join("README.md"));
    let shown = blocks
        .iter()
        .find(|block| block.has("text"))
        .expect("the output");
    assert_eq!(normalized(output), normalized(&shown.text));

    for file in ["audit.db", "audit.db-wal"] {
        let bytes = fs::read(folder.join(file)).expect("a file of the trail");
        for secret in ["$argon2id$", "123 4567", "765 4321"] {
            let is_found = bytes
                .windows(secret.len())
                .any(|it| it == secret.as_bytes());
            assert!(!is_found, "{secret} is in {file}");
        }
    }

    let cli = build(&["--package", "audit-cli", "--bin", "auditlog"], &root());
    let bin = cli[0].parent().expect("a folder");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        [bin.to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&path)),
    );
    let path = path.expect("a search path");
    let mut commands = 0;
    for block in blocks.iter().filter(|block| block.has("console")) {
        for shown in format!("\n{}", block.text).split("\n$ ").skip(1) {
            let (command, expected) = shown.split_once('\n').unwrap_or((shown, ""));
            if !command.starts_with("auditlog ") {
                continue;
            }
            let mut shell = Command::new("sh");
            shell.args(["-c", command]).env("PATH", &path);
            shell.env_remove("AUDITLOG_STORE");
            let output = run(&mut shell, folder, command);
            assert_eq!(normalized(&output), normalized(expected), "$ {command}");
            commands += 1;
        }
    }
    assert!(commands >= 4, "only {commands} commands were found");
}
