//! A process that writes until it is told to stop or killed.

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

use crate::Outcome;
use crate::journal::{Journal, Word};
use crate::payment;

/// What a writer is given.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// The server.
    #[arg(long)]
    pub(crate) url: String,
    /// The file of its own.
    #[arg(long)]
    pub(crate) journal: PathBuf,
    /// How many threads it has.
    #[arg(long)]
    pub(crate) threads: u32,
    /// What it draws from.
    #[arg(long)]
    pub(crate) seed: u64,
}

pub(crate) fn run(place: &Place) -> Outcome<()> {
    let journal = Journal::create(&place.journal)?;
    let stop = AtomicBool::new(false);
    let store = connect(&place.url)?;
    thread::scope(|scope| {
        let writers: Vec<_> = (0..place.threads)
            .map(|number| {
                let (journal, stop, store) = (&journal, &stop, &store);
                let random = fastrand::Rng::with_seed(place.seed + u64::from(number));
                scope.spawn(move || match number % 3 {
                    0 => batches(store, journal, stop, random),
                    1 => records(store, journal, stop, random),
                    _ => payments(&place.url, journal, stop, random),
                })
            })
            .collect();
        // Ends with the pipe, and so with whoever holds its other end.
        let _ended = std::io::stdin().read_to_end(&mut Vec::new());
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().map_err(|_| "a thread panicked")??;
        }
        Ok::<(), Box<dyn Error + Send + Sync>>(())
    })?;
    Ok(store.close()?)
}

/// All of the processes make the tables at the same time, and the server may be away.
fn connect(url: &str) -> Outcome<PostgresStore> {
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

/// What the outcome of an append says of its entries.
fn word(outcome: Result<(), &StoreError>) -> Word {
    match outcome {
        Ok(()) => Word::Kept,
        Err(StoreError::Unconfirmed { .. }) => Word::Unknown,
        Err(_) => Word::Refused,
    }
}

/// Appends batches; those that failed are now and then appended again until they are kept.
fn batches(
    store: &PostgresStore,
    journal: &Journal,
    stop: &AtomicBool,
    mut random: fastrand::Rng,
) -> Outcome<()> {
    let log = AuditLog::builder().build();
    while !stop.load(Ordering::Relaxed) {
        let batch: Vec<LogEntry> = (0..random.u32(1..=6))
            .map(|number| log.event("batch").extra("number", number).into_entry())
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect();
        let ids: Vec<Uuid> = batch.iter().map(|entry| entry.id).collect();
        let again = random.bool();
        loop {
            journal.note(Word::Try, &ids)?;
            let outcome = store.append(&batch);
            let word = word(outcome.as_ref().copied());
            journal.note(word, &ids)?;
            if word == Word::Kept || !again || stop.load(Ordering::Relaxed) {
                break;
            }
        }
        pause(&mut random);
    }
    Ok(())
}

/// Records events by a clock that jumps, up to forty days back.
fn records(
    store: &PostgresStore,
    journal: &Journal,
    stop: &AtomicBool,
    mut random: fastrand::Rng,
) -> Outcome<()> {
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
        journal.note(Word::Try, &[id])?;
        let outcome = draft.record();
        let word = match &outcome {
            Ok(_) => Word::Kept,
            Err(audit_core::Error::Store(error)) => word(Err(error)),
            Err(error) => return Err(error.to_string().into()),
        };
        journal.note(word, &[id])?;
        pause(&mut random);
    }
    Ok(())
}

/// Writes payments and their entries through a connection of its own; one in three is rolled
/// back.
fn payments(
    url: &str,
    journal: &Journal,
    stop: &AtomicBool,
    mut random: fastrand::Rng,
) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        while !stop.load(Ordering::Relaxed) {
            // Without a server there is nothing to write, and nothing to note.
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

/// Writes one payment, and returns whether the connection can be used further.
async fn pay(client: &mut Client, journal: &Journal, random: &mut fastrand::Rng) -> Outcome<bool> {
    let entry = payment::entry(Uuid::from_u128(random_id(random)));
    let ids = [entry.id];
    let doomed = random.u32(..3) == 0;
    journal.note(if doomed { Word::Doomed } else { Word::Try }, &ids)?;
    let Ok(transaction) = client.transaction().await else {
        return Ok(false);
    };
    if payment::write(&transaction, &entry).await.is_err() {
        return Ok(false);
    }
    if doomed {
        return Ok(transaction.rollback().await.is_ok());
    }
    let committed = transaction.commit().await.is_ok();
    journal.note(if committed { Word::Kept } else { Word::Unknown }, &ids)?;
    Ok(committed)
}

/// A UUID of version 7.
fn random_id(random: &mut fastrand::Rng) -> u128 {
    let millis = Utc::now().timestamp_millis().cast_unsigned();
    uuid::Builder::from_unix_timestamp_millis(millis, &std::array::from_fn(|_| random.u8(..)))
        .into_uuid()
        .as_u128()
}

fn pause(random: &mut fastrand::Rng) {
    thread::sleep(Duration::from_millis(random.u64(0..4)));
}
