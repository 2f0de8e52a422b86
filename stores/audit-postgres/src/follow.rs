//! Entries in the order of the transactions that wrote them, for whoever follows the trail.

use std::fmt;
use std::str::FromStr;

use audit_core::StoreError;
use tokio::time::timeout;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, IsolationLevel, Row, Transaction};
use uuid::Uuid;

use crate::connection::{Connections, retrying};
use crate::error::Failure;
use crate::schema::Schema;

/// Which transactions are over: all below the first number. The second was not given out yet.
/// A server that follows another one may not have come as far.
const HORIZON: &str = "\
SELECT pg_snapshot_xmin(s)::text::bigint + {schema}.audit_xact_base(),
    pg_snapshot_xmax(s)::text::bigint + {schema}.audit_xact_base(), pg_is_in_recovery()
FROM pg_current_snapshot() AS s";

/// Raises the numbers of this server above those of entries that a restore brought.
const ADOPT: &str = "SELECT {schema}.audit_adopt()";

/// What transactions of a span of numbers wrote, in any order.
const SPAN: &str = "\
SELECT xact, ts, id, body FROM {schema}.audit_entry WHERE xact >= $1 AND xact < $2 LIMIT $3";

/// What one transaction wrote, in order.
const ONE: &str = "\
SELECT xact, ts, id, body FROM {schema}.audit_entry WHERE xact = $1 ORDER BY ts, id LIMIT $2";

/// What one transaction wrote after a place.
const REST: &str = "\
SELECT xact, ts, id, body FROM {schema}.audit_entry WHERE xact = $1 AND (ts, id) > ($2, $3)
ORDER BY ts, id LIMIT $4";

/// How long the first span is at most.
const FIRST: i64 = 10_000;

/// By how much a span is made longer after one that was not too long, or shorter.
const FACTOR: i64 = 4;

/// A place in the order in which [`committed_after`](crate::PostgresStore::committed_after)
/// gives entries out.
///
/// It prints as a text that it is read from, so that a program can keep it and go on where it
/// was. The numbers in it are those of one server's transactions: with those of another one,
/// such as where a dump was restored, it means nothing. It stays right on a server that
/// follows this one, and after an upgrade by `pg_upgrade`.
///
/// # Example: kept as text
/// ```
/// use audit_postgres::Position;
///
/// let kept = Position::BEGINNING.to_string();
/// assert_eq!(kept.parse::<Position>()?, Position::BEGINNING);
/// # Ok::<(), audit_postgres::ParsePositionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// What transactions with lower numbers wrote is given out.
    xact: i64,
    /// And of this one what comes up to this time and id.
    after: Option<(i64, Uuid)>,
}

impl Position {
    /// The place before all entries.
    pub const BEGINNING: Self = Self::before(0);

    const fn before(xact: i64) -> Self {
        Self { xact, after: None }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.xact)?;
        match &self.after {
            Some((ts, id)) => write!(f, "_{ts}_{}", id.simple()),
            None => Ok(()),
        }
    }
}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let mut parts = text.split('_');
            let xact = parts.next()?.parse().ok()?;
            let after = match parts.next() {
                Some(ts) => Some((ts.parse().ok()?, parts.next()?.parse().ok()?)),
                None => None,
            };
            (xact >= 0 && parts.next().is_none()).then_some(Self { xact, after })
        };
        read().ok_or_else(|| ParsePositionError {
            text: text.to_owned(),
        })
    }
}

/// The text is not a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsePositionError {
    text: String,
}

impl fmt::Display for ParsePositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a position; expected what a `Position` printed",
            self.text.escape_debug()
        )
    }
}

impl std::error::Error for ParsePositionError {}

/// Returns the place up to which nothing more comes.
pub(crate) async fn position(
    connections: Connections,
    schema: Schema,
) -> Result<Position, StoreError> {
    adopt(&connections, &schema).await;
    let sql = schema.fill(HORIZON);
    retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let row = connection.query_one(&sql, &[]).await?;
            row.try_get(0).map(Position::before)
        })
        .await;
        connection.finish(done)
    })
    .await
    .map_err(|failure| failure.error)
}

/// Looks once whether the trail was restored from a server that has numbered more transactions, and
/// then raises the numbers of this one.
async fn adopt(connections: &Connections, schema: &Schema) {
    if !connections.begin_adoption() {
        return;
    }
    let sql = schema.fill(ADOPT);
    let adopted = retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let row = connection.query_one(&sql, &[]).await?;
            row.try_get::<_, Option<i64>>(0)
        })
        .await;
        connection.finish(done)
    })
    .await;
    match adopted {
        Ok(None) => {}
        Ok(Some(_)) => log::info!(
            "{}: the trail was restored from another server; followers get all of it",
            connections.location
        ),
        // A role that does not own the tables, a server that follows another one.
        Err(failure) if failure.is_forbidden() => {}
        Err(failure) if matches!(failure.error, StoreError::ReadOnly { .. }) => {}
        Err(failure) => log::warn!(
            "{}: entries of another server may be given out late: {}",
            connections.location,
            failure.error
        ),
    }
}

/// Returns the ids and the bytes of the next entries, and the place after them.
pub(crate) async fn committed_after(
    connections: Connections,
    schema: Schema,
    position: Position,
    limit: usize,
) -> Result<(Vec<(Uuid, String)>, Position), StoreError> {
    adopt(&connections, &schema).await;
    let [horizon, span, one, rest] = [HORIZON, SPAN, ONE, REST].map(|sql| schema.fill(sql));
    retrying(connections.deadline(), || async {
        let mut connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let transaction = connection
                .build_transaction()
                .isolation_level(IsolationLevel::RepeatableRead)
                .read_only(true)
                .start()
                .await?;
            // For a LIMIT a scan of the whole table would seem cheap, were what is asked for
            // not all at its end.
            transaction
                .batch_execute("SET LOCAL enable_seqscan = off")
                .await?;
            let row = transaction.query_one(&horizon, &[]).await?;
            let (horizon, unused): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            if position.xact > unused && !row.try_get::<_, bool>(2)? {
                return Ok(None);
            }
            let reading = Reading {
                transaction: &transaction,
                sql: [&span, &one, &rest],
                found: Vec::new(),
                limit,
            };
            let found = reading.read(position, horizon).await?;
            transaction.commit().await?;
            Ok(Some(found))
        })
        .await;
        let unknown = || {
            Failure::last(StoreError::Unsupported {
                operation: "go on from a position that it has not come to yet, such as one of \
                            another server; begin anew, or from the beginning",
            })
        };
        connection.finish(done)?.ok_or_else(unknown)
    })
    .await
    .map_err(|failure| failure.error)
}

/// An answer that is put together.
struct Reading<'t> {
    transaction: &'t Transaction<'t>,
    /// For a span of numbers, for one of them, and for the rest of one.
    sql: [&'t str; 3],
    found: Vec<(Uuid, String)>,
    limit: usize,
}

impl Reading<'_> {
    /// Reads from a position up to the number below which every transaction is over.
    async fn read(
        mut self,
        position: Position,
        horizon: i64,
    ) -> Result<(Vec<(Uuid, String)>, Position), Error> {
        let mut xact = position.xact;
        if self.limit == 0 || xact >= horizon {
            return Ok((self.found, position));
        }
        if let Some((ts, id)) = position.after {
            let params = [
                (&xact as _, Type::INT8),
                (&ts as _, Type::INT8),
                (&id as _, Type::UUID),
                (&self.left() as _, Type::INT8),
            ];
            let rows = self.transaction.query_typed(self.sql[2], &params).await?;
            if let Some(full) = self.take(rows)? {
                return Ok((self.found, full));
            }
            xact += 1;
        }
        // Nobody knows how much the transactions of a span wrote: it becomes longer until that
        // is too much, and then shorter, so that neither many that wrote nothing nor one that
        // wrote much take long. Where it is too much, no more is read than there is room for.
        let (mut length, mut grows) = (self.left().min(FIRST), true);
        while xact < horizon && self.left() > 0 {
            let end = xact.saturating_add(length).min(horizon);
            let one_more = self.left().saturating_add(1);
            let params = [
                (&xact as _, Type::INT8),
                (&end as _, Type::INT8),
                (&one_more as _, Type::INT8),
            ];
            let rows = self.transaction.query_typed(self.sql[0], &params).await?;
            if i64::try_from(rows.len()).is_ok_and(|rows| rows < one_more) {
                self.take(rows)?;
                xact = end;
                if grows {
                    length = length.saturating_mul(FACTOR);
                }
            } else if end - xact > 1 {
                grows = false;
                length = ((end - xact) / FACTOR).max(1);
            } else {
                let params = [(&xact as _, Type::INT8), (&self.left() as _, Type::INT8)];
                let rows = self.transaction.query_typed(self.sql[1], &params).await?;
                if let Some(full) = self.take(rows)? {
                    return Ok((self.found, full));
                }
                xact += 1;
            }
        }
        Ok((self.found, Position::before(xact)))
    }

    /// How many entries there is room for.
    fn left(&self) -> i64 {
        i64::try_from(self.limit - self.found.len()).unwrap_or(i64::MAX)
    }

    /// Takes rows in order. Returns the place of the last one if there is no room for more.
    fn take(&mut self, rows: Vec<Row>) -> Result<Option<Position>, Error> {
        let mut taken = Vec::with_capacity(rows.len());
        for row in rows {
            let location: (i64, i64, Uuid) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            taken.push((location, row.try_get::<_, String>(3)?));
        }
        taken.sort_unstable_by_key(|(location, _)| *location);
        let last = taken.last().map(|((xact, ts, id), _)| Position {
            xact: *xact,
            after: Some((*ts, *id)),
        });
        let found = taken.into_iter().map(|((_, _, id), body)| (id, body));
        self.found.extend(found);
        Ok(last.filter(|_| self.left() == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_printed() {
        let id = Uuid::from_u128(7);
        for (position, text) in [
            (Position::BEGINNING, "0".to_owned()),
            (Position::before(i64::MAX), i64::MAX.to_string()),
            (
                Position {
                    xact: 812,
                    after: Some((-5, id)),
                },
                format!("812_-5_{}", id.simple()),
            ),
        ] {
            assert_eq!(position.to_string(), text);
            assert_eq!(text.parse(), Ok(position));
        }
        let more = format!("812_5_{}_", id.simple());
        for text in ["", "x", "-1", "812_", "812_5", "812_5_x", &more] {
            let error = text.parse::<Position>().unwrap_err();
            assert!(error.to_string().contains("is not a position"), "{error}");
        }
    }
}
