//! Several processes write to one trail: this program, started again.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use audit_core::Store;
use audit_testkit::entries;

use crate::Test;
use crate::scratch::{Scratch, assert_kept};

pub(crate) const TESTS: &[Test] = tests![processes_share_one_trail];

const CHILD: &str = "AUDIT_POSTGRES_TEST_CHILD";
const PROCESSES: u64 = 4;
const EACH: usize = 60;

pub(crate) fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// Makes the tables together with the others, and writes its share and what all write.
pub(crate) fn run_child() {
    let given = env::var(CHILD).unwrap();
    let mut lines = given.lines();
    let mut next = || lines.next().unwrap();
    let (url, schema, seed) = (next(), next(), next());
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let store = audit_postgres::PostgresStore::options()
        .schema(schema)
        .connect(url)
        .unwrap();
    let own = entries(EACH, seed.parse().unwrap());
    let shared = entries(EACH, 1_000);
    for (own, shared) in own.chunks(3).zip(shared.chunks(3)) {
        store.append(own).unwrap();
        store.append(shared).unwrap();
    }
    store.close().unwrap();
}

fn processes_share_one_trail(scratch: &Scratch) {
    let mut children: Vec<_> = (0..PROCESSES)
        .map(|seed| {
            Command::new(env::current_exe().unwrap())
                .env(
                    CHILD,
                    format!("{}\n{}\n{seed}\n", scratch.url, scratch.schema),
                )
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in &mut children {
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), "ready");
    }
    for child in &mut children {
        writeln!(child.stdin.as_mut().unwrap(), "go").unwrap();
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let mut expected = entries(EACH, 1_000);
    expected.extend((0..PROCESSES).flat_map(|seed| entries(EACH, seed)));
    assert_kept(&scratch.store(), &expected);
}
