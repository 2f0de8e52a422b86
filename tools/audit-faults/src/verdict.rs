//! Journals beside the trail.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use audit_postgres::PostgresStore;
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::Outcome;
use crate::journal::{self, Word};
use crate::payment;

/// What was counted. The first part is how it went, the second has to be zero.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    kept: usize,
    unknown: usize,
    unknown_there: usize,
    doomed: usize,
    refused: usize,
    stored: usize,
    wrong: [usize; 8],
}

/// What `wrong` counts.
const WRONG: [&str; 8] = [
    "acknowledged entries that are missing",
    "entries that are there twice",
    "entries of rolled back transactions that are there",
    "refused entries that are there",
    "entries that are there and in no journal",
    "batches of which a part is there",
    "payments without an entry, or entries without their payment",
    "entries whose columns or bytes are wrong",
];

impl Verdict {
    pub(crate) fn is_right(&self) -> bool {
        self.wrong.iter().all(|count| *count == 0)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.kept, "entries acknowledged"),
            (
                self.unknown,
                "entries of lost connections or killed writers",
            ),
            (self.unknown_there, "of those are there"),
            (
                self.doomed,
                "entries in transactions that were to be rolled back",
            ),
            (self.refused, "entries refused"),
            (self.stored, "entries in the trail"),
        ];
        let wrong = self.wrong.iter().copied().zip(WRONG);
        for (count, what) in counts.into_iter().chain(wrong) {
            writeln!(f, "{count:>9} {what}")?;
        }
        write!(
            f,
            "{}",
            if self.is_right() {
                "all is right"
            } else {
                "WRONG"
            }
        )
    }
}

/// Compares what writers were told with what is there.
pub(crate) fn of(url: &str, journals: &Path) -> Outcome<Verdict> {
    let stored = column(url, "SELECT id FROM audit_entry")?;
    let entries: HashSet<Uuid> = stored.iter().copied().collect();
    let mut verdict = Verdict {
        stored: stored.len(),
        ..Verdict::default()
    };
    let [
        missing,
        twice,
        rolled_back,
        refused,
        unheard,
        torn,
        unpaid,
        odd,
    ] = &mut verdict.wrong;
    *twice = stored.len() - entries.len();
    let mut heard: HashSet<Uuid> = HashSet::new();
    for file in std::fs::read_dir(journals)? {
        for group in journal::read(&file?.path())? {
            let number = group.ids.len();
            let there = group.ids.iter().filter(|id| entries.contains(id)).count();
            *torn += usize::from(there != 0 && there != number);
            match group.word {
                Word::Kept => {
                    verdict.kept += number;
                    *missing += number - there;
                }
                Word::Try | Word::Unknown => {
                    verdict.unknown += number;
                    verdict.unknown_there += there;
                }
                Word::Doomed => {
                    verdict.doomed += number;
                    *rolled_back += there;
                }
                Word::Refused => {
                    verdict.refused += number;
                    *refused += there;
                }
            }
            heard.extend(group.ids);
        }
    }
    *unheard = entries.difference(&heard).count();
    let payments: HashSet<Uuid> = column(url, "SELECT id FROM payment")?.into_iter().collect();
    let of_payments = format!(
        "SELECT id FROM audit_entry WHERE model = '{}'",
        payment::MODEL
    );
    let audited: HashSet<Uuid> = column(url, &of_payments)?.into_iter().collect();
    *unpaid = payments.symmetric_difference(&audited).count();
    let store = PostgresStore::options().read_only().connect(url)?;
    let check = store.check()?;
    let unread = stored.len().abs_diff(usize::try_from(check.entries)?);
    *odd = check.mismatches.len() + unread;
    store.close()?;
    Ok(verdict)
}

/// Returns the ids that a statement selects.
fn column(url: &str, sql: &str) -> Outcome<Vec<Uuid>> {
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
