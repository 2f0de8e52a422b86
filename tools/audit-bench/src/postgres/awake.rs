//! Processes that keep the cores awake.
//!
//! A question of 0.2 ms wakes the server and its answer wakes us. Where that is another core which
//! sleeps, as the system pleases for each pair of processes, a virtual machine takes as long to
//! wake it as the server to answer: the same question takes 160 or 550 µs. With processes that
//! run only where nobody else does, no core sleeps.

use std::io::{Read as _, stdin};
use std::process::{Child, Command, Stdio};
use std::thread;

/// The argument with which this program is such a process.
pub(crate) const ARGUMENT: &str = "keep-awake";

/// One for each core, until this is dropped or the program ends.
pub(super) struct Awake(Vec<Child>);

impl Awake {
    pub(super) fn keep() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let started: Result<Vec<_>, _> = (0..cores).map(|_| start()).collect();
        Self(started.unwrap_or_else(|error| {
            eprintln!("cores may sleep between two questions, so that the ratios vary: {error}");
            Vec::new()
        }))
    }
}

fn start() -> std::io::Result<Child> {
    Command::new("chrt")
        .args(["--idle", "0"])
        .arg(std::env::current_exe()?)
        .arg(ARGUMENT)
        .stdin(Stdio::piped())
        .spawn()
}

impl Drop for Awake {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It ends when its input does.
            drop(child.stdin.take());
            if let Err(error) = child.wait() {
                eprintln!("a process that keeps a core awake is left: {error}");
            }
        }
    }
}

/// Is such a process: busy until its input ends, which it does with the program that started it.
pub(crate) fn run() -> crate::history::Outcome<()> {
    let waiting = thread::spawn(|| {
        let mut nothing = [0];
        while let Ok(1..) = stdin().read(&mut nothing) {}
    });
    while !waiting.is_finished() {
        std::hint::spin_loop();
    }
    waiting
        .join()
        .map_err(|_| "the thread that reads the input panicked".into())
}
