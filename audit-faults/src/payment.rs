//! A transaction of an application: a payment and its entry, through the application's own
//! connection.

use audit_core::LogEntry;
use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::Outcome;

/// The model of the entries that payments have.
pub(crate) const MODEL: &str = "Payment";

/// The table of payments, which every process makes if it is not there.
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS payment (id uuid PRIMARY KEY)";

/// `audit_append` for one entry about which little is known.
const APPEND: &str = "SELECT audit_append(ARRAY[$1::uuid], ARRAY[$2::bigint], \
     ARRAY[$3::smallint], ARRAY[$4::text], ARRAY[$5::text], ARRAY[$6::text], ARRAY[$7::text], \
     ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[NULL::text], \
     ARRAY[NULL::uuid], ARRAY[''], ARRAY[NULL::text], ARRAY[$8::text])";

/// Makes the entry of a payment.
pub(crate) fn entry(id: Uuid) -> LogEntry {
    let mut entry = LogEntry::new("create", MODEL, id.to_string(), "a payment");
    entry.id = id;
    entry
}

/// Writes a payment and its entry. The entry's texts are plain, so they are their own keys.
pub(crate) async fn write(transaction: &Transaction<'_>, entry: &LogEntry) -> Outcome<()> {
    let body = entry.to_canonical_json()?;
    transaction
        .execute("INSERT INTO payment VALUES ($1)", &[&entry.id])
        .await?;
    transaction
        .execute(
            APPEND,
            &[
                &entry.id,
                &entry.timestamp.timestamp_micros(),
                &i16::from(entry.level as u8),
                &entry.action.as_str(),
                &entry.outcome.as_str(),
                &entry.model,
                &entry.object_pk,
                &body,
            ],
        )
        .await?;
    Ok(())
}
