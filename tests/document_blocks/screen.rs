//! The picture in the README: the command in a terminal, on the trail of the first program.

use std::io::Read;
use std::path::Path;

use anstyle::RgbColor;
use anstyle_svg::{Palette, Term};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

/// The commands of the picture.
const COMMANDS: [&str; 3] = [
    "auditlog log --changes",
    "auditlog blame User 42",
    "auditlog diff User 42 1 2",
];

/// The width of the terminal in characters.
const COLUMNS: u16 = 100;

/// The picture's times, for those of the trail from the earliest to the latest.
const TIMES: [&str; 2] = ["2026-11-29T05:58:48.741702Z", "2026-11-29T05:58:48.753154Z"];

/// The picture's ids, for those of the trail in the order of their first occurrence.
const IDS: [&str; 2] = ["1f0a01ece3f4", "9c46d2b7805e"];

const FOREGROUND: RgbColor = RgbColor(0xd1, 0xd7, 0xe0);
const BACKGROUND: RgbColor = RgbColor(0x15, 0x1b, 0x23);

/// Colours that can be read on the background.
const PALETTE: Palette = Palette([
    RgbColor(0x2f, 0x37, 0x42), // black
    RgbColor(0xff, 0x7b, 0x72), // red
    RgbColor(0x56, 0xd3, 0x64), // green
    RgbColor(0xe3, 0xb3, 0x41), // yellow
    RgbColor(0x79, 0xc0, 0xff), // blue
    RgbColor(0xd2, 0xa8, 0xff), // magenta
    RgbColor(0x56, 0xd4, 0xdd), // cyan
    RgbColor(0xd1, 0xd7, 0xe0), // white
    RgbColor(0x91, 0x98, 0xa1), // and the bright ones
    RgbColor(0xff, 0xa1, 0x98),
    RgbColor(0x7e, 0xe7, 0x87),
    RgbColor(0xf2, 0xcc, 0x60),
    RgbColor(0xa5, 0xd6, 0xff),
    RgbColor(0xe2, 0xc5, 0xff),
    RgbColor(0xb3, 0xf0, 0xff),
    RgbColor(0xf0, 0xf6, 0xfc),
]);

/// Returns the picture, made from what each command prints in a terminal.
pub(crate) fn picture(folder: &Path, command: &Path) -> String {
    let blocks = COMMANDS.map(|line| {
        let output = output(folder, command, line);
        format!("\u{1b}[1;32m$\u{1b}[0m \u{1b}[1m{line}\u{1b}[0m\n{output}")
    });
    let screen = with_fixed_words(&blocks.join("\n"));
    Term::new()
        .palette(PALETTE)
        .fg_color(FOREGROUND.into())
        .bg_color(BACKGROUND.into())
        .render_svg(screen.trim_end())
}

/// Runs a command in a terminal and returns all that it prints.
fn output(folder: &Path, command: &Path, line: &str) -> String {
    let size = PtySize {
        rows: 60,
        cols: COLUMNS,
        ..PtySize::default()
    };
    let pair = native_pty_system().openpty(size).expect("a terminal");
    let mut builder = CommandBuilder::new(command);
    builder.cwd(folder);
    builder.env_clear();
    builder.env("TERM", "xterm-256color");
    builder.env("USER", "alice");
    builder.env("PAGER", "");
    builder.args(line.split(' ').skip(1));
    let mut child = pair.slave.spawn_command(builder).expect("the command runs");
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().expect("a reader");
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    // A terminal whose program has ended is an error to read.
    while let Ok(length @ 1..) = reader.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..length]);
    }
    let output = String::from_utf8(bytes).expect("UTF-8");
    let status = child.wait().expect("the command ends");
    assert!(status.success(), "$ {line}: {output}");
    output.replace('\r', "")
}

/// Replaces times and ids, which differ between runs, by those of the picture.
fn with_fixed_words(screen: &str) -> String {
    let is_time = |word: &&str| word.len() == TIMES[0].len() && word.as_bytes()[10] == b'T';
    let is_id = |word: &&str| {
        word.len() == IDS[0].len() && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let words = screen.split([' ', '\n', '\u{1b}', 'm']);
    let mut times: Vec<_> = words.clone().filter(is_time).collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), TIMES.len(), "{times:?}");
    let ids: Vec<_> = words.filter(is_id).collect();
    assert_eq!(ids.len(), IDS.len(), "{ids:?}");

    let mut fixed = screen.to_owned();
    for (word, replacement) in times.iter().zip(TIMES).chain(ids.iter().zip(IDS)) {
        fixed = fixed.replace(word, replacement);
    }
    fixed
}
