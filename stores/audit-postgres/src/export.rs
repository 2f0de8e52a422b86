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
use crate::query::{column, read_entry_with, retry};
use crate::schema::Schema;
use crate::statement::{Conditions, Order};

/// How many entries an export reads at first, and at most at a time.
const EXPORTED: usize = 32;
const MOST_EXPORTED: usize = 500;
/// About how many bytes it reads at a time, as far as entries are of one size.
const EXPORTED_BYTES: usize = 4 << 20;

/// Sends the bytes of the entries a query asks for, in order and some at a time, all of one
/// snapshot; ends when nobody receives them any more. A row is one line: bytes with line ends, which
/// are no entry, come as the text of a JSON string.
pub(crate) async fn export(
    connections: Connections,
    schema: Schema,
    query: Query,
    lines: mpsc::Sender<Vec<String>>,
) -> Result<(), StoreError> {
    // What was handed out cannot be taken back.
    let begun = AtomicBool::new(false);
    retry(&connections, || async {
        let sent = send(&connections, &schema, &query, &lines, &begun).await;
        sent.map_err(|failure| Failure {
            retry: failure.retry && !begun.load(Ordering::Relaxed),
            ..failure
        })
    })
    .await
}

async fn send(
    connections: &Connections,
    schema: &Schema,
    query: &Query,
    lines: &mpsc::Sender<Vec<String>>,
    begun: &AtomicBool,
) -> Result<(), Failure> {
    let mut connection = connections.read().await?;
    let location = connections.location.clone();
    let tolerance = &connections.tolerance;
    // However long all of it takes; each statement has its limit.
    let done = timeout(Duration::MAX, async {
        let transaction = connection
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        // The receiver may be as slow as somebody who reads.
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
            if !exact || tolerance.passes_over() {
                let mut matching = Vec::new();
                for (id, body) in ids.into_iter().zip(bodies) {
                    match tolerance.read(id, read_entry_with(id, &body, &location)) {
                        Ok(Some(entry)) if query.matches(&entry) => matching.push(body),
                        // Its columns say that it is asked for.
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
                begun.store(true, Ordering::Relaxed);
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
