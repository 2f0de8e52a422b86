//! Imports by `COPY`.

use std::collections::BTreeMap;
use std::time::Duration;

use audit_core::{LogEntry, StoreError};
use chrono::DateTime;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_postgres::binary_copy::BinaryCopyInWriter;

use crate::connection::{CommitTracker, Connections, retrying};
use crate::error::Failure;
use crate::retention;
use crate::row::{COPY, Row, VALUE_TYPES, Values};
use crate::schema::Schema;

/// The number of entries from which a month gets a partition. Each partition costs every query time
/// and locks, and fewer entries do no harm in the rest.
const MONTH: u64 = 2_000;

/// The months of imported entries, by the first day of each.
#[derive(Default)]
pub(crate) struct Months {
    counts: BTreeMap<String, u64>,
    /// Whether creating a partition has failed.
    is_disabled: bool,
}

impl Months {
    /// Counts entries, and returns the months that have come to need a partition.
    pub(crate) fn count(&mut self, entries: &[LogEntry]) -> Vec<String> {
        let mut due = Vec::new();
        let millis = |entry: &LogEntry| {
            let is_time = entry.id.get_version_num() == 7;
            is_time.then(|| i64::try_from(entry.id.as_u128() >> 80).ok())?
        };
        for time in entries.iter().filter_map(millis) {
            let Some(time) = DateTime::from_timestamp_millis(time) else {
                continue;
            };
            let month = time.format("%Y-%m-01").to_string();
            let count = self.counts.entry(month).or_default();
            *count += 1;
            if *count == MONTH && !self.is_disabled {
                due.push(time.format("%Y-%m-01").to_string());
            }
        }
        due
    }

    /// Creates partitions if the role may and no lock takes long. Without them the entries go to the
    /// rest.
    pub(crate) async fn make(
        &mut self,
        connections: &Connections,
        schema: &Schema,
        due: &[String],
    ) {
        for month in due {
            match retention::add_partition(connections, schema, month).await {
                Ok(_) => {}
                Err(failure) => {
                    if !failure.is_forbidden() {
                        log::warn!(
                            "the partition of {month} could not be created: {}",
                            failure.error
                        );
                    }
                    self.is_disabled = true;
                    return;
                }
            }
        }
    }
}

/// The longest wait of a copied step for the commit of the previous step, which may itself wait for a writer that
/// waits for the rows of this one.
const MAX_COMMIT_WAIT: Duration = Duration::from_secs(1);

/// The position of a step in the order in which steps commit. If it is dropped before the step has committed, the next
/// step does not commit.
pub(crate) struct CommitOrder {
    /// Whether the previous step has committed.
    before: watch::Receiver<bool>,
    own: watch::Sender<bool>,
}

impl CommitOrder {
    /// The position of the first step.
    pub(crate) fn first() -> Self {
        Self {
            before: watch::channel(true).1,
            own: watch::channel(false).0,
        }
    }

    /// The position of the step that follows this one.
    pub(crate) fn next(&self) -> Self {
        Self {
            before: self.own.subscribe(),
            own: watch::channel(false).0,
        }
    }

    /// Waits for the previous step. Returns `false` if it did not commit.
    async fn wait(&self) -> bool {
        let mut before = self.before.clone();
        before.wait_for(|committed| *committed).await.is_ok()
    }
}

/// The outcome of copying a step.
pub(crate) enum Copied {
    Yes,
    /// Nothing is stored, unless the commit is unconfirmed: the step is to be copied again, while no other is.
    Failed(CommitTracker),
    /// This attempt stored nothing: a row is already stored or occurs twice in the step, or the server does not
    /// support the copy.
    Refused(CommitTracker),
}

/// Copies rows atomically. With an order, tries it once and commits after the previous step.
pub(crate) async fn copy(
    connections: &Connections,
    schema: &Schema,
    rows: &[Row],
    order: Option<CommitOrder>,
    tracker: CommitTracker,
) -> Result<Copied, StoreError> {
    let attempt = || try_copy(connections, schema, rows, order.as_ref(), &tracker);
    let copied = match &order {
        Some(_) => attempt().await,
        None => retrying(connections.deadline(), attempt).await,
    };
    match copied {
        Ok(_) => {
            if let Some(order) = order {
                order.own.send_replace(true);
            }
            Ok(Copied::Yes)
        }
        Err(failure) if failure.is_duplicate() || failure.is_unsupported() => {
            Ok(Copied::Refused(tracker))
        }
        Err(failure) if order.is_some() => {
            log::debug!(
                "a step is copied again, and the later ones one at a time: {}",
                failure.error
            );
            Ok(Copied::Failed(tracker))
        }
        Err(failure) => {
            let location = &connections.location;
            Err(tracker.mark(failure.or_read_only(location), location).error)
        }
    }
}

async fn try_copy(
    connections: &Connections,
    schema: &Schema,
    rows: &[Row],
    order: Option<&CommitOrder>,
    tracker: &CommitTracker,
) -> Result<u64, Failure> {
    let connection = connections.read().await?;
    let sent = timeout(connection.limit(), async {
        let sink = connection.copy_in(&schema.fill(COPY)).await?;
        let mut writer = Box::pin(BinaryCopyInWriter::new(sink, &VALUE_TYPES));
        for row in rows {
            writer.as_mut().write(&Values::of(row).params()).await?;
        }
        Ok(writer)
    });
    let mut writer = match sent.await {
        Ok(Ok(writer)) => writer,
        Ok(Err(error)) => return connection.finish_copy(Ok(Err(error))),
        Err(late) => return connection.finish_copy(Err(late)),
    };
    if let Some(order) = order
        && timeout(MAX_COMMIT_WAIT, order.wait()).await != Ok(true)
    {
        // Dropping the connection rolls the rows back.
        let location = connections.location.to_string();
        return Err(Failure::last(StoreError::Busy { location }));
    }
    let done = timeout(connection.limit(), tracker.track(writer.as_mut().finish()));
    connection.finish_copy(done.await)
}
