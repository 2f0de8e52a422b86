//! A writer process: it writes until its standard input ends or it is killed.

use std::error::Error;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use audit_core::{AuditLog, LogEntry, Store, StoreError};
use audit_postgres::PostgresStore;
use chrono::{TimeDelta, Utc};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::Result;
use crate::journal::{Journal, Status};
use crate::payment;

/// The arguments of a writer process.
#[derive(clap::Args)]
pub(crate) struct WriterArgs {
    /// The URL of the server.
    #[arg(long)]
    pub(crate) url: String,
    /// The file of the journal.
    #[arg(long)]
    pub(crate) journal: PathBuf,
    /// The number of threads.
    #[arg(long)]
    pub(crate) threads: u32,
    /// The seed of the random numbers.
    #[arg(long)]
    pub(crate) seed: u64,
}

pub(crate) fn run(args: &WriterArgs) -> Result<()> {
    let journal = Journal::create(&args.journal)?;
    let stop = AtomicBool::new(false);
    let store = connect(&args.url)?;
    thread::scope(|scope| {
        let writers: Vec<_> = (0..args.threads)
            .map(|number| {
                let (journal, stop, store) = (&journal, &stop, &store);
                let random = fastrand::Rng::with_seed(args.seed + u64::from(number));
                scope.spawn(move || match number % 3 {
                    0 => batches(store, journal, stop, random),
                    1 => records(store, journal, stop, random),
                    _ => payments(&args.url, journal, stop, random),
                })
            })
            .collect();
        // The input ends when the campaign closes the pipe or exits.
        let _ended = std::io::stdin().read_to_end(&mut Vec::new());
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().map_err(|_| "a thread panicked")??;
        }
        Ok::<(), Box<dyn Error + Send + Sync>>(())
    })?;
    Ok(store.close()?)
}

/// Connects, and retries while other processes create the tables or the server is down.
fn connect(url: &str) -> Result<PostgresStore> {
    let mut tries = 0;
    loop {
        match PostgresStore::connect(url) {
            Ok(store) => return Ok(store),
            Err(error) if tries == 20 || !error.is_transient() => return Err(error.into()),
            Err(_) => {
                tries += 1;
                thread::sleep(Duration::from_millis(200));
            }
        }
    }
}

/// Returns the status of entries after an append.
fn status(outcome: Result<(), &StoreError>) -> Status {
    match outcome {
        Ok(()) => Status::Committed,
        Err(StoreError::Unconfirmed { .. }) => Status::Unconfirmed,
        Err(_) => Status::Rejected,
    }
}

/// Appends batches; half of the failed ones are retried until they are committed.
fn batches(
    store: &PostgresStore,
    journal: &Journal,
    stop: &AtomicBool,
    mut random: fastrand::Rng,
) -> Result<()> {
    let log = AuditLog::builder().build();
    while !stop.load(Ordering::Relaxed) {
        let batch: Vec<LogEntry> = (0..random.u32(1..=6))
            .map(|number| log.event("batch").extra("number", number).into_entry())
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect();
        let ids: Vec<Uuid> = batch.iter().map(|entry| entry.id).collect();
        let retry = random.bool();
        loop {
            journal.write(Status::Attempted, &ids)?;
            let outcome = store.append(&batch);
            let status = status(outcome.as_ref().copied());
            journal.write(status, &ids)?;
            if status == Status::Committed || !retry || stop.load(Ordering::Relaxed) {
                break;
            }
        }
        pause(&mut random);
    }
    Ok(())
}

/// Records events with a clock that jumps back up to forty days.
fn records(
    store: &PostgresStore,
    journal: &Journal,
    stop: &AtomicBool,
    mut random: fastrand::Rng,
) -> Result<()> {
    let clock = std::sync::Mutex::new(random.fork());
    let log = AuditLog::builder()
        .store(store.clone())
        .clock(move || {
            let mut random = clock
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            Utc::now() - TimeDelta::seconds(random.i64(0..40 * 86_400))
        })
        .build();
    while !stop.load(Ordering::Relaxed) {
        let draft = log.event("record").extra("number", random.u32(..));
        let id = draft.entry().ok_or("an event has an entry")?.id;
        journal.write(Status::Attempted, &[id])?;
        let outcome = draft.record();
        let status = match &outcome {
            Ok(_) => Status::Committed,
            Err(audit_core::Error::Store(error)) => status(Err(error)),
            Err(error) => return Err(error.to_string().into()),
        };
        journal.write(status, &[id])?;
        pause(&mut random);
    }
    Ok(())
}

/// Writes payments and their entries through the application's connection; every third is
/// rolled back on average.
fn payments(
    url: &str,
    journal: &Journal,
    stop: &AtomicBool,
    mut random: fastrand::Rng,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        while !stop.load(Ordering::Relaxed) {
            // While the server is down, nothing is written or journaled.
            let Ok((mut client, connection)) = tokio_postgres::connect(url, NoTls).await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            tokio::spawn(connection);
            let prepared = client.batch_execute(payment::TABLE).await;
            while prepared.is_ok() && !stop.load(Ordering::Relaxed) {
                if !pay(&mut client, journal, &mut random).await? {
                    break;
                }
                let millis = random.u64(0..4);
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
        }
        Ok(())
    })
}

/// Writes one payment, and returns whether the connection is still usable.
async fn pay(client: &mut Client, journal: &Journal, random: &mut fastrand::Rng) -> Result<bool> {
    let entry = payment::entry(Uuid::from_u128(random_id(random)));
    let ids = [entry.id];
    let roll_back = random.u32(..3) == 0;
    journal.write(
        if roll_back {
            Status::RollingBack
        } else {
            Status::Attempted
        },
        &ids,
    )?;
    let Ok(transaction) = client.transaction().await else {
        return Ok(false);
    };
    if payment::write(&transaction, &entry).await.is_err() {
        return Ok(false);
    }
    if roll_back {
        return Ok(transaction.rollback().await.is_ok());
    }
    let committed = transaction.commit().await.is_ok();
    journal.write(
        if committed {
            Status::Committed
        } else {
            Status::Unconfirmed
        },
        &ids,
    )?;
    Ok(committed)
}

/// Returns a random UUID of version 7.
fn random_id(random: &mut fastrand::Rng) -> u128 {
    let millis = Utc::now().timestamp_millis().cast_unsigned();
    uuid::Builder::from_unix_timestamp_millis(millis, &std::array::from_fn(|_| random.u8(..)))
        .into_uuid()
        .as_u128()
}

fn pause(random: &mut fastrand::Rng) {
    thread::sleep(Duration::from_millis(random.u64(0..4)));
}
