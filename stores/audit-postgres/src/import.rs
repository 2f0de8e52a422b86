//! Imports by `COPY`.

use std::collections::BTreeMap;
use std::pin::pin;

use audit_core::{LogEntry, StoreError};
use chrono::DateTime;
use tokio::time::timeout;
use tokio_postgres::binary_copy::BinaryCopyInWriter;

use crate::connection::{CommitTracker, Connections, retrying};
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

/// Copies rows atomically. Returns `false`, and copies nothing, if one of them is stored already or
/// twice among them, or if the server refuses to copy.
pub(crate) async fn copy(
    connections: &Connections,
    schema: &Schema,
    rows: &[Row],
) -> Result<bool, StoreError> {
    let tracker = CommitTracker::default();
    let copied = retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let sink = connection.copy_in(&schema.fill(COPY)).await?;
            let mut writer = pin!(BinaryCopyInWriter::new(sink, &VALUE_TYPES));
            for row in rows {
                writer.as_mut().write(&Values::of(row).params()).await?;
            }
            tracker.track(writer.finish()).await
        })
        .await;
        connection.finish_copy(done)
    })
    .await;
    match copied {
        Ok(_) => Ok(true),
        Err(failure) if failure.is_duplicate() || failure.is_unsupported() => Ok(false),
        Err(failure) => {
            let location = &connections.location;
            Err(tracker.mark(failure.or_read_only(location), location).error)
        }
    }
}
