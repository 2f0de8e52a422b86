//! Writes without an entry of the program.

use std::fmt;
use std::time::Duration;

use audit_core::StoreError;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::time::timeout;
use tokio_postgres::Row;

use crate::connection::{Connections, retrying};
use crate::schema::Schema;

/// The writes that the triggers noted, with those that no entry of the program covers.
///
/// An entry covers a write if it records a success of the same kind: for a deletion a deletion, for an
/// inserted row a creation or an update, otherwise any of the three or an entry with changes. The entry of
/// a bulk statement covers all objects of its model that its transaction wrote. Another cluster numbers
/// transactions from the start, so the entry and the write must be within a day.
///
/// A session may name any `transaction_id`, even a used one. If several transactions of the database wrote
/// an object under one id, the entries of the object under that id cover as many of them, the earliest
/// first.
const UNAUDITED: &str = "\
WITH written AS MATERIALIZED (
    SELECT t.xact, t.at, t.transaction_id, t.action, t.model, t.object_pk, t.actor, t.role,
        t.application
    FROM {schema}.audit_touched AS t
    WHERE t.at >= 'epoch'::timestamptz + $1::bigint * interval '1 microsecond'
    UNION ALL
    SELECT e.xact, 'epoch'::timestamptz + e.ts * interval '1 microsecond', e.transaction_id,
        e.action, e.model, e.object_pk, e.actor,
        {schema}.audit_json(e.body) #>> '{additional_data,role}',
        {schema}.audit_json(e.body) #>> '{additional_data,application}'
    FROM {schema}.audit_entry AS e
    WHERE e.ts >= $1 AND strpos(e.body, 'postgresql trigger') > 0
        AND {schema}.audit_json(e.body) #>> '{source,service}' = 'postgresql trigger'
), objects AS (
    SELECT w.xact, w.model, w.object_pk, min(w.at) AS at,
        (extract(epoch FROM min(w.at)) * 1000000)::bigint AS first,
        (extract(epoch FROM max(w.at)) * 1000000)::bigint AS last,
        array_agg(DISTINCT w.action) AS actions, min(w.transaction_id::text)::uuid AS transaction_id,
        min(w.actor) AS actor, min(w.role) AS role, min(w.application) AS application
    FROM written AS w
    GROUP BY w.xact, w.model, w.object_pk
)
SELECT o.first, o.model, o.object_pk, o.xact, o.actions, o.actor, o.role, o.application,
    count(*) OVER () AS unaudited
FROM objects AS o
LEFT JOIN LATERAL (
    SELECT bool_or(e.xact = o.xact OR $2::bigint > 0 AND e.ts BETWEEN o.first - $2 AND o.last + $2) AS here,
        count(*) FILTER (WHERE e.transaction_id = o.transaction_id) AS under_its_id
    FROM {schema}.audit_entry AS e
    WHERE e.model = o.model AND e.object_pk IN (o.object_pk, '') AND e.outcome = 'success'
        AND e.ts BETWEEN o.first - greatest(86400000000, $2::bigint) AND o.last + greatest(86400000000, $2::bigint)
        AND CASE
            WHEN o.actions <@ '{update}' THEN e.action IN ('create', 'update', 'delete')
                OR e.action <> 'access' AND e.changes IS NOT NULL
            WHEN NOT o.actions @> '{delete}' THEN e.action IN ('create', 'update')
            WHEN NOT o.actions @> '{create}' THEN e.action = 'delete'
            ELSE e.action IN ('create', 'update', 'delete')
        END
        AND (strpos(e.body, 'postgresql trigger') = 0
            OR {schema}.audit_json(e.body) #>> '{source,service}' IS DISTINCT FROM 'postgresql trigger')
) AS recorded ON true
WHERE NOT coalesce(recorded.here, false) AND recorded.under_its_id <= (
    SELECT count(DISTINCT before.xact) FROM (
        SELECT t.xact FROM {schema}.audit_touched AS t
        WHERE t.transaction_id = o.transaction_id AND t.model = o.model
            AND t.object_pk = o.object_pk AND t.xact <> o.xact AND t.at < o.at
        UNION ALL
        SELECT e.xact FROM {schema}.audit_entry AS e
        WHERE e.transaction_id = o.transaction_id AND e.model = o.model
            AND e.object_pk = o.object_pk AND e.xact <> o.xact AND e.ts < o.first
            AND strpos(e.body, 'postgresql trigger') > 0
    ) AS before
)
ORDER BY o.at, o.model, o.object_pk LIMIT greatest($3::bigint, 1)";

/// The writes that [`PostgresStore::reconcile`](crate::PostgresStore::reconcile) examines.
///
/// # Example: entries outside the transaction of the write
/// ```
/// use std::time::Duration;
///
/// use auditlog::postgres::Reconcile;
///
/// let since = "2026-01-31T00:00:00Z".parse()?;
/// let options = Reconcile::since(since).within(Duration::from_secs(5));
/// # assert!(format!("{options:?}").contains("5s"));
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "options do nothing until they are given to `reconcile`"]
pub struct Reconcile {
    since: DateTime<Utc>,
    within: Duration,
    limit: u32,
}

impl Default for Reconcile {
    fn default() -> Self {
        Self {
            since: DateTime::UNIX_EPOCH,
            within: Duration::ZERO,
            limit: 10_000,
        }
    }
}

impl Reconcile {
    /// Examines all writes.
    pub fn all() -> Self {
        Self::default()
    }

    /// Examines the writes since a time.
    pub fn since(time: DateTime<Utc>) -> Self {
        Self {
            since: time,
            ..Self::default()
        }
    }

    /// Also accepts an entry of the same object and the same kind that is at most `time` away from the
    /// write. By default the entry must be of the same transaction: that of the database, or one with the
    /// same `transaction_id`.
    pub fn within(mut self, time: Duration) -> Self {
        self.within = time;
        self
    }

    /// Sets the maximum number of returned writes (10,000 by default). All are counted.
    pub fn limit(mut self, writes: u32) -> Self {
        self.limit = writes;
        self
    }
}

/// The number of written objects, and those that no entry of the program covers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Reconciliation {
    /// The number of written objects without an entry, each counted once a transaction.
    pub unaudited: u64,
    /// The first of the writes without an entry, by time.
    pub writes: Vec<UnauditedWrite>,
}

impl Reconciliation {
    /// Returns whether every write has an entry.
    pub fn is_ok(&self) -> bool {
        self.unaudited == 0
    }
}

/// An object that a transaction wrote without an entry of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnauditedWrite {
    /// The time of the first write in the transaction.
    pub at: DateTime<Utc>,
    /// The model, in key form (docs/format.md): the name itself up to 1,000 bytes.
    pub model: String,
    /// The identity, in key form; empty for all objects (TRUNCATE).
    pub object_pk: String,
    /// The transaction's number.
    pub xact: i64,
    /// The actions on the object.
    pub actions: Vec<String>,
    /// The actor that the transaction named.
    pub actor: Option<String>,
    /// The role that logged in.
    pub role: Option<String>,
    /// The `application_name` of the session.
    pub application: Option<String>,
}

impl fmt::Display for UnauditedWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} of {} {} in transaction {}",
            self.at,
            self.actions.join(", "),
            self.model,
            self.object_pk,
            self.xact
        )
    }
}

pub(crate) async fn reconcile(
    connections: &Connections,
    schema: &Schema,
    options: Reconcile,
) -> Result<Reconciliation, StoreError> {
    require_triggers(connections, schema).await?;
    let since = options.since.timestamp_micros();
    let within = i64::try_from(options.within.as_micros()).unwrap_or(i64::MAX / 4);
    let limit = i64::from(options.limit);
    let sql = schema.fill(UNAUDITED);
    let rows = retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(
            connection.limit(),
            connection.query(&sql, &[&since, &within, &limit]),
        )
        .await;
        connection.finish(done)
    })
    .await
    .map_err(|failure| failure.error)?;
    let mut found = Reconciliation::default();
    for row in &rows {
        let (count, write) = read(row, &connections.location)?;
        found.unaudited = count;
        found.writes.push(write);
    }
    // One row at least has the number.
    found.writes.truncate(options.limit as usize);
    Ok(found)
}

/// Removes the notes from before a time, and returns their number.
pub(crate) async fn forget(
    connections: &Connections,
    schema: &Schema,
    before: DateTime<Utc>,
) -> Result<u64, StoreError> {
    require_triggers(connections, schema).await?;
    let sql = schema.fill(
        "DELETE FROM {schema}.audit_touched \
         WHERE at < 'epoch'::timestamptz + $1::bigint * interval '1 microsecond'",
    );
    retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(
            connection.limit(),
            connection.execute(&sql, &[&before.timestamp_micros()]),
        )
        .await;
        connection.finish(done)
    })
    .await
    .map_err(|failure| failure.error)
}

async fn require_triggers(connections: &Connections, schema: &Schema) -> Result<(), StoreError> {
    let sql = schema.fill("SELECT to_regclass('{schema}.audit_touched') IS NOT NULL");
    let there = retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            connection.query_one(&sql, &[]).await?.try_get::<_, bool>(0)
        })
        .await;
        connection.finish(done)
    })
    .await
    .map_err(|failure| failure.error)?;
    if there {
        return Ok(());
    }
    Err(StoreError::Unsupported {
        operation: "reconcile before triggers are installed in its schema",
    })
}

fn read(row: &Row, location: &str) -> Result<(u64, UnauditedWrite), StoreError> {
    let failed = |error| StoreError::backend(location, error);
    let micros: i64 = row.try_get(0).map_err(failed)?;
    let count: i64 = row.try_get("unaudited").map_err(failed)?;
    let write = UnauditedWrite {
        at: DateTime::from_timestamp_micros(micros).unwrap_or_default(),
        model: row.try_get(1).map_err(failed)?,
        object_pk: row.try_get(2).map_err(failed)?,
        xact: row.try_get(3).map_err(failed)?,
        actions: row.try_get(4).map_err(failed)?,
        actor: row.try_get(5).map_err(failed)?,
        role: row.try_get(6).map_err(failed)?,
        application: row.try_get(7).map_err(failed)?,
    };
    Ok((count.unsigned_abs(), write))
}
