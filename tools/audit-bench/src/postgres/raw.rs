//! SQL without the store.

use auditlog::LogEntry;
use bytes::BytesMut;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, Row, SimpleQueryMessage, Statement};
use uuid::Uuid;

use crate::history::Outcome;

/// The columns that are written.
pub(super) const COLUMNS: &str = "id, ts, level, action, outcome, model, object_pk, parent_model, \
     parent_pk, actor, correlation_id, transaction_id, fields, changes, body, checksum";

/// Makes a table with the trail's columns, and with its indexes or only a primary key.
pub(super) fn table(name: &str, indexed: bool) -> String {
    let table = format!(
        "CREATE TABLE {name} (id uuid PRIMARY KEY, ts bigint NOT NULL, level smallint NOT NULL,
            action text COLLATE \"C\" NOT NULL, outcome text COLLATE \"C\" NOT NULL,
            model text COLLATE \"C\" NOT NULL, object_pk text COLLATE \"C\" NOT NULL,
            parent_model text COLLATE \"C\", parent_pk text COLLATE \"C\",
            actor text COLLATE \"C\", correlation_id text COLLATE \"C\", transaction_id uuid,
            fields text[] COLLATE \"C\" NOT NULL, changes jsonb, body text COLLATE \"C\" NOT NULL, checksum bytea NOT NULL,
            xact bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint);"
    );
    if !indexed {
        return table;
    }
    table
        + &format!(
            "CREATE INDEX ON {name} (ts, id);
             CREATE INDEX ON {name} (model, object_pk, ts, id);
             CREATE INDEX ON {name} (model, ts, id);
             CREATE INDEX ON {name} (actor, ts, id) WHERE actor IS NOT NULL;
             CREATE INDEX ON {name} (correlation_id, ts, id) WHERE correlation_id IS NOT NULL;
             CREATE INDEX ON {name} (parent_model, parent_pk, ts, id)
                 WHERE parent_model IS NOT NULL;
             CREATE INDEX ON {name} (transaction_id, ts, id) WHERE transaction_id IS NOT NULL;
             CREATE INDEX ON {name} (ts, id) WHERE level >= 30 OR outcome <> 'success';
             CREATE INDEX ON {name} (action, ts, id) WHERE action <> 'update';
             CREATE INDEX ON {name} USING gin (fields);
             CREATE INDEX ON {name} USING brin (xact) WITH (pages_per_range = 32);"
        )
}

/// A connection, used synchronously.
pub(super) struct Raw {
    runtime: Runtime,
    pub(super) client: Client,
}

impl Raw {
    pub(super) fn connect(url: &str) -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            Ok::<_, tokio_postgres::Error>(client)
        })?;
        Ok(Self { runtime, client })
    }

    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(super) fn parts(&mut self) -> (&Runtime, &mut Client) {
        (&self.runtime, &mut self.client)
    }

    pub(super) fn run(&self, sql: &str) -> Outcome<()> {
        Ok(self.wait(self.client.batch_execute(sql))?)
    }

    pub(super) fn prepare(&self, sql: &str) -> Outcome<Statement> {
        Ok(self.wait(self.client.prepare(sql))?)
    }

    pub(super) fn query(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Outcome<Vec<Row>> {
        Ok(self.wait(self.client.query(statement, params))?)
    }

    /// Says what decides how long a commit takes.
    pub(super) fn settings(&self) -> Outcome<String> {
        let messages = self.wait(self.client.simple_query(
            "SELECT format('PostgreSQL %s, fsync %s, synchronous_commit %s, shared_buffers %s',
                 current_setting('server_version'), current_setting('fsync'),
                 current_setting('synchronous_commit'), current_setting('shared_buffers'))",
        ))?;
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        Ok(row.unwrap_or_default().to_owned())
    }
}

/// What is stored of an entry, as a program of one's own would make it.
pub(super) struct RawRow {
    pub(super) id: Uuid,
    pub(super) ts: i64,
    pub(super) level: i16,
    pub(super) action: String,
    pub(super) outcome: &'static str,
    pub(super) model: String,
    pub(super) object_pk: String,
    pub(super) actor: Option<String>,
    pub(super) correlation_id: Option<String>,
    pub(super) fields: Vec<String>,
    pub(super) changes: String,
    pub(super) body: String,
    /// The SHA-256 of the body.
    pub(super) checksum: Vec<u8>,
}

impl RawRow {
    /// The types of [`params`](Self::params).
    pub(super) const TYPES: [Type; 13] = [
        Type::UUID,
        Type::INT8,
        Type::INT2,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT_ARRAY,
        Type::JSONB,
        Type::TEXT,
        Type::BYTEA,
    ];

    /// The row as parameters, with its changes in their binary form.
    pub(super) fn params<'r>(&'r self, changes: &'r Jsonb<'r>) -> [&'r (dyn ToSql + Sync); 13] {
        [
            &self.id,
            &self.ts,
            &self.level,
            &self.action,
            &self.outcome,
            &self.model,
            &self.object_pk,
            &self.actor,
            &self.correlation_id,
            &self.fields,
            changes,
            &self.body,
            &self.checksum,
        ]
    }

    pub(super) fn of(entry: &LogEntry) -> Outcome<Self> {
        let body = serde_json::to_string(entry)?;
        Ok(Self {
            id: entry.id,
            ts: entry.timestamp.timestamp_micros(),
            level: 20,
            action: entry.action.to_string(),
            outcome: "success",
            model: entry.model.clone(),
            object_pk: entry.object_pk.clone(),
            actor: entry.actor.as_ref().map(|actor| actor.id.clone()),
            correlation_id: entry.correlation_id.clone(),
            fields: entry.changes.paths().map(ToString::to_string).collect(),
            changes: serde_json::to_string(&entry.changes)?,
            checksum: Sha256::digest(&body).to_vec(),
            body,
        })
    }
}

/// A JSON text in the binary form of `jsonb`.
#[derive(Debug)]
pub(super) struct Jsonb<'j>(pub(super) &'j str);

impl ToSql for Jsonb<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&[1]);
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }

    to_sql_checked!();
}
