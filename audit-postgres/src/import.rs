//! Many entries at once, by `COPY`.

use std::pin::pin;

use audit_core::StoreError;
use tokio::time::timeout;
use tokio_postgres::binary_copy::BinaryCopyInWriter;

use crate::connection::{Connections, Doubt, retrying};
use crate::row::{COPY, Row, VALUE_TYPES, Values};
use crate::schema::Schema;

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
            let mut writer = pin!(BinaryCopyInWriter::new(sink, &VALUE_TYPES));
            for row in rows {
                writer.as_mut().write(&Values::of(row).params()).await?;
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
