//! Compiles and runs the Rust blocks of README, `docs/` and the reference of the attributes as a reader
//! sees them, and runs the shell lines of README and guide on the trail of the first program. The README's
//! picture is made from that trail, too.
//!
//! A block with `fn main` is a program; `no_run` only compiles it, and `should_panic` expects a panic. Any
//! other block is a fragment: the paragraph before it links to the file that has its lines.

mod blocks;
mod commands;
#[path = "../documents/picture.rs"]
mod picture;
mod programs;
mod screen;

use std::fs;
use std::path::Path;

use crate::blocks::{Block, all_blocks, blocks_of, root};
use crate::commands::{Shell, normalized, shell_lines, unused_exceptions};
use crate::programs::Programs;

/// The exit status of a program that panicked.
const PANICKED: i32 = 101;

fn rust_blocks() -> Vec<Block> {
    let blocks = all_blocks().into_iter();
    blocks.filter(|block| block.has("rust")).collect()
}

#[test]
fn each_block_has_a_language_and_no_hidden_lines() {
    for block in all_blocks() {
        let location = block.location();
        // rustdoc compiles a block without a language, but no other program does.
        assert!(!block.has(""), "{location}: add `rust` or `text`");
        if block.has("rust") {
            let is_hidden = |line: &&str| line.trim_start().starts_with("# ") || line.trim() == "#";
            assert_eq!(block.text.lines().find(is_hidden), None, "{location}");
        }
    }
}

#[test]
fn each_fragment_is_in_the_file_that_it_names() {
    let mut fragments = 0;
    for block in rust_blocks().iter().filter(|block| !block.is_program()) {
        let location = block.location();
        let file = block.linked_file();
        let file = file.unwrap_or_else(|| panic!("{location}: names no file"));
        let text = fs::read_to_string(&file).expect("UTF-8");
        let file = file.display();
        assert!(text.contains(&block.text), "{location}: not in {file}");
        fragments += 1;
    }
    assert!(fragments > 0, "no fragment was found");
}

#[test]
fn the_first_program_is_the_example() {
    let example = fs::read_to_string(root().join("examples/quickstart.rs")).expect("UTF-8");
    let blocks = blocks_of(&root().join("README.md"));
    let first = blocks.iter().find(|block| block.is_program());
    assert_eq!(first.expect("a program").text, example);
}

#[test]
fn each_program_and_command_does_what_the_document_shows() {
    let blocks = rust_blocks();
    let programs: Vec<_> = blocks.iter().filter(|block| block.is_program()).collect();
    assert!(programs.len() > 40, "only {} programs", programs.len());
    let built = Programs::build(&programs);
    for block in programs.iter().filter(|block| !block.has("no_run")) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let output = built.run(block, folder.path());
        let expected = if block.has("should_panic") {
            PANICKED
        } else {
            0
        };
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{}: {error}",
            block.location()
        );
    }
    check_documents(&built, programs[0]);
}

/// Compares the README with the output of its first program, and the shell lines of the documents with
/// the trail of that program.
fn check_documents(built: &Programs, first: &Block) {
    let documents = ["README.md", "docs/guide.md"].map(|path| blocks_of(&root().join(path)));
    let shell = Shell::build();
    let mut lines = Vec::new();
    for blocks in &documents {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let output = built.run(first, folder.path());
        let shown = documents[0].iter().find(|block| block.has("text"));
        assert_eq!(
            normalized(&String::from_utf8(output.stdout).expect("UTF-8")),
            normalized(&shown.expect("the output").text)
        );
        check_secrets(folder.path());
        if lines.is_empty() {
            let shown = screen::picture(folder.path(), &shell.command);
            picture::check(&root().join("docs/command.svg"), &shown);
        }
        let own = shell_lines(blocks);
        let run = shell.check(&own, folder.path());
        assert!(run >= 3, "only {run} commands were run");
        lines.extend(own);
    }
    assert_eq!(unused_exceptions(&lines), [""; 0]);
}

/// Checks that no clear value of a masked or skipped field is in the trail.
fn check_secrets(folder: &Path) {
    for file in ["audit.db", "audit.db-wal"] {
        let bytes = fs::read(folder.join(file)).expect("a file of the trail");
        for secret in ["$argon2id$", "123 4567", "765 4321"] {
            let mut windows = bytes.windows(secret.len());
            assert!(
                !windows.any(|it| it == secret.as_bytes()),
                "{secret} is in {file}"
            );
        }
    }
}
