//! Payments and their entries in the application's own transactions.

use audit_core::LogEntry;
use audit_postgres::append_in;
use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::Result;

/// The model of the entries of payments.
pub(crate) const MODEL: &str = "Payment";

/// Creates the table of payments if it is missing.
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS payment (id uuid PRIMARY KEY)";

/// Makes the entry of a payment.
pub(crate) fn entry(id: Uuid) -> LogEntry {
    let mut entry = LogEntry::new("create", MODEL, id.to_string(), "a payment");
    entry.id = id;
    entry
}

/// Writes a payment and its entry.
pub(crate) async fn write(transaction: &Transaction<'_>, entry: &LogEntry) -> Result<()> {
    transaction
        .execute("INSERT INTO payment VALUES ($1)", &[&entry.id])
        .await?;
    Ok(append_in(transaction, std::slice::from_ref(entry)).await?)
}
