//! Runs the server and the writers, and injects faults.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use audit_testbed::PostgresServer;
use tokio_postgres::NoTls;

use crate::{Result, report};

/// The duration, the number of writers, and the seed.
#[derive(clap::Args)]
pub(crate) struct CampaignArgs {
    /// The duration in seconds
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// The number of writer processes
    #[arg(long, default_value_t = 4)]
    processes: u32,
    /// The number of threads in each process
    #[arg(long, default_value_t = 8)]
    threads: u32,
    /// The seed of the order of faults
    #[arg(long, default_value_t = 4711)]
    seed: u64,
}

/// Runs the campaign, prints the report, and returns whether it is correct.
pub(crate) fn run(args: &CampaignArgs) -> Result<bool> {
    let server = PostgresServer::start(&[], &[])
        .ok_or("no PostgreSQL server can be started; install `initdb` and `pg_ctl`")?;
    let folder = tempfile::tempdir()?;
    let mut random = fastrand::Rng::with_seed(args.seed);
    let mut writers = Writers {
        args,
        url: server.url(),
        journals: folder.path(),
        started: 0,
        running: Vec::new(),
    };
    for _ in 0..args.processes {
        writers.start()?;
    }
    let mut injected = [0; FAULTS.len()];
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let mut next: Vec<usize> = Vec::new();
    loop {
        let wait = Duration::from_millis(random.u64(400..1200));
        if Instant::now() + wait >= end {
            break;
        }
        thread::sleep(wait);
        if next.is_empty() {
            // Every fault once, in a random order.
            next.extend(0..FAULTS.len());
            random.shuffle(&mut next);
        }
        let Some(fault) = next.pop() else { break };
        FAULTS[fault].1(&server, &mut writers, &mut random)?;
        injected[fault] += 1;
    }
    thread::sleep(end.saturating_duration_since(Instant::now()));
    writers.finish()?;

    println!(
        "{} threads in {} processes for {} s",
        args.processes * args.threads,
        args.processes,
        args.seconds
    );
    for (count, (name, _)) in injected.into_iter().zip(FAULTS) {
        println!("{count:>9} {name}");
    }
    let report = report::compare(server.url(), folder.path())?;
    println!("{report}");
    let all_injected = injected.iter().all(|count| *count > 0);
    if !all_injected {
        println!("not every fault was injected; run for more seconds");
    }
    Ok(report.is_correct() && all_injected)
}

type Fault = fn(&PostgresServer, &mut Writers<'_>, &mut fastrand::Rng) -> Result<()>;

const FAULTS: [(&str, Fault); 3] = [
    ("writers killed", |_, writers, random| writers.kill(random)),
    ("times all sessions were terminated", |server, _, _| {
        terminate_sessions(server.url())
    }),
    ("restarts of the server", |server, _, _| {
        if server.restart() {
            return Ok(());
        }
        Err("the server does not restart".into())
    }),
];

fn terminate_sessions(url: &str) -> Result<()> {
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

/// The writer processes.
struct Writers<'a> {
    args: &'a CampaignArgs,
    url: &'a str,
    journals: &'a Path,
    started: u64,
    running: Vec<Child>,
}

impl Writers<'_> {
    fn start(&mut self) -> Result<()> {
        let journal = self.journals.join(format!("{}.journal", self.started));
        let child = Command::new(std::env::current_exe()?)
            .args(["write", "--url", self.url, "--journal"])
            .arg(journal)
            .args(["--threads", &self.args.threads.to_string()])
            .args([
                "--seed",
                &(self.args.seed + self.started * 1000).to_string(),
            ])
            .stdin(Stdio::piped())
            .spawn()?;
        self.started += 1;
        self.running.push(child);
        Ok(())
    }

    fn kill(&mut self, random: &mut fastrand::Rng) -> Result<()> {
        let number = random.usize(..self.running.len());
        let mut writer = self.running.swap_remove(number);
        if let Some(status) = writer.try_wait()? {
            return Err(format!("a writer exited before it was killed: {status}").into());
        }
        writer.kill()?;
        writer.wait()?;
        self.start()
    }

    /// Closes the writers' input, and waits until they have finished their writes.
    fn finish(&mut self) -> Result<()> {
        for writer in &mut self.running {
            drop(writer.stdin.take());
        }
        for mut writer in self.running.drain(..) {
            let status = writer.wait()?;
            if !status.success() {
                return Err(format!("a writer failed: {status}").into());
            }
        }
        Ok(())
    }
}

impl Drop for Writers<'_> {
    fn drop(&mut self) {
        for writer in &mut self.running {
            let _exited = writer.kill();
            let _exited = writer.wait();
        }
    }
}
