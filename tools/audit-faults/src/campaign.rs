//! The server, the writers, and what happens to them.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use audit_testbed::PostgresServer;
use tokio_postgres::NoTls;

use crate::{Outcome, verdict};

/// How long, and how many.
#[derive(clap::Args)]
pub(crate) struct Plan {
    /// How long to write and kill
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// How many processes write
    #[arg(long, default_value_t = 4)]
    processes: u32,
    /// How many threads each of them has
    #[arg(long, default_value_t = 8)]
    threads: u32,
    /// What the order of faults is drawn from
    #[arg(long, default_value_t = 4711)]
    seed: u64,
}

/// Runs all of it, prints the counts, and returns whether they are right.
pub(crate) fn run(plan: &Plan) -> Outcome<bool> {
    let server = PostgresServer::start(&[], &[])
        .ok_or("no PostgreSQL server can be started: `initdb` and `pg_ctl` are needed")?;
    let folder = tempfile::tempdir()?;
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let mut writers = Writers {
        plan,
        url: server.url(),
        journals: folder.path(),
        begun: 0,
        running: Vec::new(),
    };
    for _ in 0..plan.processes {
        writers.begin()?;
    }
    let mut happened = [0; FAULTS.len()];
    let end = Instant::now() + Duration::from_secs(plan.seconds);
    let mut next: Vec<usize> = Vec::new();
    loop {
        let wait = Duration::from_millis(random.u64(400..1200));
        if Instant::now() + wait >= end {
            break;
        }
        thread::sleep(wait);
        if next.is_empty() {
            // Each of them in turn, in an order that changes.
            next.extend(0..FAULTS.len());
            random.shuffle(&mut next);
        }
        let Some(fault) = next.pop() else { break };
        FAULTS[fault].1(&server, &mut writers, &mut random)?;
        happened[fault] += 1;
    }
    thread::sleep(end.saturating_duration_since(Instant::now()));
    writers.end()?;

    println!(
        "{} threads in {} processes for {} s",
        plan.processes * plan.threads,
        plan.processes,
        plan.seconds
    );
    for (count, (what, _)) in happened.into_iter().zip(FAULTS) {
        println!("{count:>9} {what}");
    }
    let verdict = verdict::of(server.url(), folder.path())?;
    println!("{verdict}");
    let harmed = happened.iter().all(|count| *count > 0);
    if !harmed {
        println!("not every fault happened: give it more seconds");
    }
    Ok(verdict.is_right() && harmed)
}

type Fault = fn(&PostgresServer, &mut Writers<'_>, &mut fastrand::Rng) -> Outcome<()>;

const FAULTS: [(&str, Fault); 3] = [
    ("writers killed", |_, writers, random| writers.kill(random)),
    ("times all sessions ended", |server, _, _| {
        end_sessions(server.url())
    }),
    ("restarts of the server", |server, _, _| {
        if server.restart() {
            return Ok(());
        }
        Err("the server does not start again".into())
    }),
];

fn end_sessions(url: &str) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        client
            .batch_execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
            )
            .await?;
        Ok(())
    })
}

/// The processes that write.
struct Writers<'a> {
    plan: &'a Plan,
    url: &'a str,
    journals: &'a Path,
    begun: u64,
    running: Vec<Child>,
}

impl Writers<'_> {
    fn begin(&mut self) -> Outcome<()> {
        let journal = self.journals.join(format!("{}.journal", self.begun));
        let child = Command::new(std::env::current_exe()?)
            .args(["write", "--url", self.url, "--journal"])
            .arg(journal)
            .args(["--threads", &self.plan.threads.to_string()])
            .args(["--seed", &(self.plan.seed + self.begun * 1000).to_string()])
            .stdin(Stdio::piped())
            .spawn()?;
        self.begun += 1;
        self.running.push(child);
        Ok(())
    }

    fn kill(&mut self, random: &mut fastrand::Rng) -> Outcome<()> {
        let number = random.usize(..self.running.len());
        let mut writer = self.running.swap_remove(number);
        if let Some(status) = writer.try_wait()? {
            return Err(format!("a writer ended by itself: {status}").into());
        }
        writer.kill()?;
        writer.wait()?;
        self.begin()
    }

    /// Lets them write what they have begun, and waits for them.
    fn end(&mut self) -> Outcome<()> {
        for writer in &mut self.running {
            drop(writer.stdin.take());
        }
        for mut writer in self.running.drain(..) {
            let status = writer.wait()?;
            if !status.success() {
                return Err(format!("a writer ended with an error: {status}").into());
            }
        }
        Ok(())
    }
}

impl Drop for Writers<'_> {
    fn drop(&mut self) {
        for writer in &mut self.running {
            let _gone = writer.kill();
            let _gone = writer.wait();
        }
    }
}
