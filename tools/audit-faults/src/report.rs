//! Compares the journals with the trail.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use audit_postgres::PostgresStore;
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::Result;
use crate::journal::{self, Status};
use crate::payment;

/// The counts of entries, and the counts of failures, which must be zero.
#[derive(Debug, Default)]
pub(crate) struct Report {
    committed: usize,
    unconfirmed: usize,
    unconfirmed_stored: usize,
    rolled_back: usize,
    rejected: usize,
    stored: usize,
    failures: [usize; 8],
}

/// The names of `Report::failures`.
const FAILURES: [&str; 8] = [
    "acknowledged entries that are missing",
    "entries that are stored twice",
    "stored entries of rolled back transactions",
    "rejected entries that are stored",
    "stored entries that are in no journal",
    "batches that are stored in part",
    "payments without an entry, or entries without their payment",
    "entries with invalid columns or bytes",
];

impl Report {
    pub(crate) fn is_correct(&self) -> bool {
        self.failures.iter().all(|count| *count == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.committed, "entries acknowledged"),
            (
                self.unconfirmed,
                "entries of lost connections or killed writers",
            ),
            (self.unconfirmed_stored, "of those are stored"),
            (self.rolled_back, "entries in rolled back transactions"),
            (self.rejected, "entries rejected"),
            (self.stored, "entries in the trail"),
        ];
        let failures = self.failures.iter().copied().zip(FAILURES);
        for (count, name) in counts.into_iter().chain(failures) {
            writeln!(f, "{count:>9} {name}")?;
        }
        write!(
            f,
            "{}",
            if self.is_correct() {
                "all counts are correct"
            } else {
                "FAILED"
            }
        )
    }
}

/// Compares the journals in a folder with the trail of a server.
pub(crate) fn compare(url: &str, journals: &Path) -> Result<Report> {
    let stored = column(url, "SELECT id FROM audit_entry")?;
    let entries: HashSet<Uuid> = stored.iter().copied().collect();
    let mut report = Report {
        stored: stored.len(),
        ..Report::default()
    };
    let [
        missing,
        duplicate,
        rolled_back,
        rejected,
        unjournaled,
        partial,
        unpaired,
        invalid,
    ] = &mut report.failures;
    *duplicate = stored.len() - entries.len();
    let mut journaled: HashSet<Uuid> = HashSet::new();
    for file in std::fs::read_dir(journals)? {
        for group in journal::read(&file?.path())? {
            let number = group.ids.len();
            let present = group.ids.iter().filter(|id| entries.contains(id)).count();
            *partial += usize::from(present != 0 && present != number);
            match group.status {
                Status::Committed => {
                    report.committed += number;
                    *missing += number - present;
                }
                Status::Attempted | Status::Unconfirmed => {
                    report.unconfirmed += number;
                    report.unconfirmed_stored += present;
                }
                Status::RollingBack => {
                    report.rolled_back += number;
                    *rolled_back += present;
                }
                Status::Rejected => {
                    report.rejected += number;
                    *rejected += present;
                }
            }
            journaled.extend(group.ids);
        }
    }
    *unjournaled = entries.difference(&journaled).count();
    let payments: HashSet<Uuid> = column(url, "SELECT id FROM payment")?.into_iter().collect();
    let of_payments = format!(
        "SELECT id FROM audit_entry WHERE model = '{}'",
        payment::MODEL
    );
    let audited: HashSet<Uuid> = column(url, &of_payments)?.into_iter().collect();
    *unpaired = payments.symmetric_difference(&audited).count();
    let store = PostgresStore::options().read_only().connect(url)?;
    let check = store.check()?;
    let unread = stored.len().abs_diff(usize::try_from(check.entries)?);
    *invalid = check.mismatches.len() + unread;
    store.close()?;
    Ok(report)
}

/// Returns the ids that a statement selects.
fn column(url: &str, sql: &str) -> Result<Vec<Uuid>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        let rows = client.query(sql, &[]).await?;
        Ok(rows
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>()?)
    })
}
