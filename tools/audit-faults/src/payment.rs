//! A transaction of an application: a payment and its entry, through the application's own
//! connection.

use audit_core::LogEntry;
use audit_postgres::append_in;
use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::Outcome;

/// The model of the entries that payments have.
pub(crate) const MODEL: &str = "Payment";

/// The table of payments, which every process makes if it is not there.
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS payment (id uuid PRIMARY KEY)";

/// Makes the entry of a payment.
pub(crate) fn entry(id: Uuid) -> LogEntry {
    let mut entry = LogEntry::new("create", MODEL, id.to_string(), "a payment");
    entry.id = id;
    entry
}

/// Writes a payment and its entry.
pub(crate) async fn write(transaction: &Transaction<'_>, entry: &LogEntry) -> Outcome<()> {
    transaction
        .execute("INSERT INTO payment VALUES ($1)", &[&entry.id])
        .await?;
    Ok(append_in(transaction, std::slice::from_ref(entry)).await?)
}
