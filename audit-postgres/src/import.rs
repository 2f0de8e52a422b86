//! Many entries at once, by `COPY`.

use std::error::Error as StdError;
use std::pin::pin;

use audit_core::StoreError;
use bytes::BytesMut;
use tokio::time::timeout;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::connection::{Connections, Doubt, retrying};
use crate::row::Row;
use crate::schema::Schema;

const COPY: &str = "COPY {schema}.audit_entry (id, ts, level, action, outcome, model, object_pk, \
     parent_model, parent_pk, actor, correlation_id, transaction_id, fields, changes, body) \
     FROM STDIN (FORMAT binary)";

const TYPES: [Type; 15] = [
    Type::UUID,
    Type::INT8,
    Type::INT2,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::UUID,
    Type::TEXT_ARRAY,
    Type::JSONB,
    Type::TEXT,
];

/// Copies rows, all or none. Returns false, and has copied nothing, if one of them is there
/// already or twice among them.
pub(crate) async fn copy(
    connections: &Connections,
    schema: &Schema,
    rows: &[Row],
) -> Result<bool, StoreError> {
    let doubt = Doubt::default();
    let copied = retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let sink = connection.copy_in(&schema.fill(COPY)).await?;
            let mut writer = pin!(BinaryCopyInWriter::new(sink, &TYPES));
            for row in rows {
                let changes = row.changes.as_deref().map(Jsonb);
                writer
                    .as_mut()
                    .write(&[
                        &row.id,
                        &row.ts,
                        &row.level,
                        &row.action,
                        &row.outcome,
                        &row.model,
                        &row.object_pk,
                        &row.parent_model,
                        &row.parent_pk,
                        &row.actor,
                        &row.correlation_id,
                        &row.transaction_id,
                        &row.fields,
                        &changes,
                        &row.body,
                    ])
                    .await?;
            }
            doubt.commit(writer.finish()).await
        })
        .await;
        connection.settle(done)
    })
    .await;
    match copied {
        Ok(_) => Ok(true),
        Err(failure) if failure.is_duplicate() => Ok(false),
        Err(failure) => {
            let place = &connections.place;
            Err(doubt.about(failure.or_read_only(place), place).error)
        }
    }
}

/// A text that is JSON, in the binary form of `jsonb`.
#[derive(Debug)]
struct Jsonb<'j>(&'j str);

impl ToSql for Jsonb<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        // The version of the form.
        out.extend_from_slice(&[1]);
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }

    to_sql_checked!();
}
