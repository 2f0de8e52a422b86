//! Entries in the order of the numbers of the transactions that wrote them.

use std::fmt;

use audit_core::{Batch, Position, StoreError, Stored};
use tokio::time::timeout;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, IsolationLevel, Row, Transaction};
use uuid::Uuid;

use crate::connection::{Connections, retrying};
use crate::error::Failure;
use crate::schema::Schema;

/// The name of this kind of store in positions.
pub(crate) const KIND: &str = "postgres";

/// The identity of the trail, the number below which all transactions have ended, and the next number. A
/// server that replicates another one may be behind it.
const HORIZON: &str = "\
SELECT pg_snapshot_xmin(s)::text::bigint + {schema}.audit_xact_base(),
    pg_snapshot_xmax(s)::text::bigint + {schema}.audit_xact_base(), pg_is_in_recovery(),
    '{schema}.audit_entry'::regclass::oid
FROM pg_current_snapshot() AS s";

/// Raises the numbers of this server above those of entries that a restore brought.
const ADOPT: &str = "SELECT {schema}.audit_adopt()";

/// The entries of transactions in a span of numbers, in any order.
const SPAN: &str = "\
SELECT xact, ts, id, body FROM {schema}.audit_entry WHERE xact >= $1 AND xact < $2 LIMIT $3";

/// The entries of one transaction, in order.
const ONE: &str = "\
SELECT xact, ts, id, body FROM {schema}.audit_entry WHERE xact = $1 ORDER BY ts, id LIMIT $2";

/// The entries of one transaction after a time and id.
const REST: &str = "\
SELECT xact, ts, id, body FROM {schema}.audit_entry WHERE xact = $1 AND (ts, id) > ($2, $3)
ORDER BY ts, id LIMIT $4";

/// The longest first span.
const FIRST: i64 = 10_000;

/// By how much a span is made longer after one that was not too long, or shorter.
const FACTOR: i64 = 4;

/// The state of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct XactPosition {
    /// The OID of the table of all entries, which names the trail; 0 at the start.
    trail: u32,
    /// The entries of transactions with lower numbers were returned.
    xact: i64,
    /// And of this one what comes up to this time and id.
    after: Option<(i64, Uuid)>,
}

impl XactPosition {
    const START: Self = Self::before(0, 0);

    const fn before(trail: u32, xact: i64) -> Self {
        Self {
            trail,
            xact,
            after: None,
        }
    }

    fn read(position: &Position, location: &str) -> Result<Self, StoreError> {
        let Some(state) = position.state(KIND, location)? else {
            return Ok(Self::START);
        };
        let read = || {
            let mut parts = state.split(':');
            let trail = parts.next()?.parse().ok()?;
            let xact = parts.next()?.parse().ok()?;
            let after = match parts.next() {
                Some(ts) => Some((ts.parse().ok()?, parts.next()?.parse().ok()?)),
                None => None,
            };
            (xact >= 0 && parts.next().is_none()).then_some(Self { trail, xact, after })
        };
        read().ok_or_else(|| position.invalid(location, "its text is malformed"))
    }

    fn position(self) -> Result<Position, StoreError> {
        Position::new(KIND, self)
    }
}

impl fmt::Display for XactPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.trail, self.xact)?;
        match &self.after {
            Some((ts, id)) => write!(f, ":{ts}:{}", id.simple()),
            None => Ok(()),
        }
    }
}

/// Returns the position up to which nothing more comes.
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
            Ok(XactPosition::before(row.try_get(3)?, row.try_get(0)?))
        })
        .await;
        connection.finish(done)
    })
    .await
    .map_err(|failure| failure.error)?
    .position()
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
            "{}: the trail was restored from another server; followers read all entries again",
            connections.location
        ),
        // A role that does not own the tables, a server that follows another one.
        Err(failure) if failure.is_forbidden() => {}
        Err(failure) if matches!(failure.error, StoreError::ReadOnly { .. }) => {}
        Err(failure) => log::warn!(
            "{}: followers may get the entries of a restored backup late: {}",
            connections.location,
            failure.error
        ),
    }
}

/// Returns the next entries.
pub(crate) async fn committed_after(
    connections: Connections,
    schema: Schema,
    at: Position,
    limit: usize,
) -> Result<Batch, StoreError> {
    let position = XactPosition::read(&at, &connections.location)?;
    adopt(&connections, &schema).await;
    let [horizon, span, one, rest] = [HORIZON, SPAN, ONE, REST].map(|sql| schema.fill(sql));
    let (found, next) = retrying(connections.deadline(), || async {
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
            let trail = row.try_get(3)?;
            if position != XactPosition::START && position.trail != trail {
                return Ok(Err("it is of another trail; start from `Position::START`"));
            }
            if position.xact > unused && !row.try_get::<_, bool>(2)? {
                return Ok(Err(
                    "the server was restored to an earlier state; start from `Position::START`",
                ));
            }
            let reading = Reading {
                transaction: &transaction,
                trail,
                sql: [&span, &one, &rest],
                found: Vec::new(),
                limit,
            };
            let found = reading.read(position, horizon).await?;
            transaction.commit().await?;
            Ok(Ok(found))
        })
        .await;
        let invalid = |detail| Failure::last(at.invalid(&*connections.location, detail));
        connection.finish(done)?.map_err(invalid)
    })
    .await
    .map_err(|failure| failure.error)?;
    let next = if next == position {
        at
    } else {
        next.position()?
    };
    let found: Result<_, StoreError> = found
        .into_iter()
        .map(|(position, id, body)| Ok(Stored::new(id, body, position.position()?)))
        .collect();
    Ok(Batch::new(found?, next))
}

/// Entries with the positions after them.
type Found = Vec<(XactPosition, Uuid, String)>;

/// An answer that is put together.
struct Reading<'t> {
    transaction: &'t Transaction<'t>,
    trail: u32,
    /// For a span of numbers, for one of them, and for the rest of one.
    sql: [&'t str; 3],
    found: Found,
    limit: usize,
}

impl Reading<'_> {
    /// Reads from a position up to the number below which every transaction is over.
    async fn read(
        mut self,
        position: XactPosition,
        horizon: i64,
    ) -> Result<(Found, XactPosition), Error> {
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
        let next = XactPosition::before(self.trail, xact);
        Ok((self.found, next))
    }

    /// Returns the number of entries that still fit.
    fn left(&self) -> i64 {
        i64::try_from(self.limit - self.found.len()).unwrap_or(i64::MAX)
    }

    /// Takes rows in order. Returns the position of the last one if there is no room for more.
    fn take(&mut self, rows: Vec<Row>) -> Result<Option<XactPosition>, Error> {
        let mut taken = Vec::with_capacity(rows.len());
        for row in rows {
            let order: (i64, i64, Uuid) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            taken.push((order, row.try_get::<_, String>(3)?));
        }
        taken.sort_unstable_by_key(|(order, _)| *order);
        let trail = self.trail;
        self.found
            .extend(taken.into_iter().map(|((xact, ts, id), body)| {
                let after = Some((ts, id));
                (XactPosition { trail, xact, after }, id, body)
            }));
        let last = self.found.last().map(|(position, _, _)| *position);
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
            (
                XactPosition::before(1, i64::MAX),
                format!("postgres:1:{}", i64::MAX),
            ),
            (
                XactPosition {
                    trail: u32::MAX,
                    xact: i64::MAX,
                    after: Some((i64::MIN, id)),
                },
                format!(
                    "postgres:{}:{}:{}:{}",
                    u32::MAX,
                    i64::MAX,
                    i64::MIN,
                    id.simple()
                ),
            ),
        ] {
            let printed = position.position().unwrap();
            assert_eq!(printed.to_string(), text);
            assert_eq!(XactPosition::read(&printed, "x").unwrap(), position);
        }
        let start = XactPosition::read(&Position::START, "x").unwrap();
        assert_eq!(start, XactPosition::START);
        let more = format!("1:812:5:{}:", id.simple());
        for state in ["x", "1", "1:-1", "1:812:", "1:812:5", "1:812:5:x", &more] {
            let position = Position::new(KIND, state).unwrap();
            let error = XactPosition::read(&position, "here").unwrap_err();
            assert!(
                matches!(error, StoreError::InvalidPosition { .. }),
                "{error}"
            );
        }
    }
}
