//! Exports: the stored bytes of a query's entries.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use audit_core::{Query, StoreError};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::IsolationLevel;
use uuid::Uuid;

use crate::connection::Connections;
use crate::error::Failure;
use crate::query::{column, read_entry_with, retry, until_cancelled};
use crate::schema::Schema;
use crate::statement::{Conditions, Order};

/// The number of entries that the first statement reads, and the most of one statement.
const EXPORTED: usize = 32;
const MOST_EXPORTED: usize = 500;
/// The bytes that a statement aims at, by the average size of the entries before.
const EXPORTED_BYTES: usize = 4 << 20;

/// Sends the bytes of a query's entries in order and in batches, all of one snapshot, until the
/// receiver is dropped. Each entry is one line: damaged bytes with line ends are sent as the text of a
/// JSON string.
pub(crate) async fn export(
    connections: Connections,
    schema: Schema,
    query: Query,
    lines: mpsc::Sender<Vec<String>>,
) -> Result<(), StoreError> {
    // Lines that were sent cannot be retried.
    let started = AtomicBool::new(false);
    let sent = retry(&connections, || async {
        let sent = send(&connections, &schema, &query, &lines, &started).await;
        sent.map_err(|failure| Failure {
            retry: failure.retry && !started.load(Ordering::Relaxed),
            ..failure
        })
    });
    until_cancelled(&query, sent).await
}

async fn send(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    lines: &mpsc::Sender<Vec<String>>,
    started: &AtomicBool,
) -> Result<(), Failure> {
    let mut connection = connections.read().await?;
    let location = connections.location.clone();
    let tolerance = &connections.tolerance;
    // No limit in total; each statement has its own.
    let done = timeout(Duration::MAX, async {
        let transaction = connection
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        // The receiver may be slow.
        transaction
            .batch_execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            .await?;
        let mut order = Order::of(query);
        let mut left = audit_core::backend::limit(query).unwrap_or(usize::MAX);
        let mut number = EXPORTED;
        while left > 0 {
            let conditions = Conditions::of(query);
            let exact = conditions.exact;
            if exact {
                number = number.min(left);
            }
            let columns = ["body", "ts", "id"];
            let statement = order.statement(conditions, &columns, number, schema);
            let rows = transaction
                .query_typed(&statement.sql, &statement.typed())
                .await?;
            let full = rows.len() == number;
            if let Some(last) = rows.last() {
                order = order.after(Some((last.try_get(1)?, last.try_get(2)?)));
            }
            let ids = rows.iter().map(|row| row.try_get::<_, Uuid>(2));
            let ids = ids.collect::<Result<Vec<_>, _>>()?;
            let mut bodies = column::<String>(rows)?;
            let bytes: usize = bodies.iter().map(String::len).sum();
            let average = bytes / bodies.len().max(1);
            number = (EXPORTED_BYTES / average.max(1)).clamp(1, MOST_EXPORTED);
            let mut damaged = None;
            if !exact || tolerance.skips_damaged() {
                let mut matching = Vec::new();
                for (id, body) in ids.into_iter().zip(bodies) {
                    match tolerance.read(|| Ok(id), read_entry_with(id, &body, &location)) {
                        Ok(Some(entry)) if query.matches(&entry) => matching.push(body),
                        // A damaged row whose columns match.
                        Ok(None) if exact => matching.push(body),
                        Ok(_) => {}
                        Err(error) => {
                            damaged = Some(error);
                            break;
                        }
                    }
                }
                matching.truncate(left);
                bodies = matching;
            }
            for body in &mut bodies {
                if let Cow::Owned(line) = audit_core::backend::projection::line(body) {
                    *body = line;
                }
            }
            left -= bodies.len();
            if !bodies.is_empty() {
                started.store(true, Ordering::Relaxed);
                if lines.send(bodies).await.is_err() {
                    break;
                }
            }
            match damaged {
                Some(error) if left > 0 => return Ok(Err(error)),
                _ if !full => break,
                _ => {}
            }
        }
        transaction.commit().await?;
        Ok(Ok(()))
    })
    .await;
    connection.finish(done)?.map_err(Failure::last)
}
