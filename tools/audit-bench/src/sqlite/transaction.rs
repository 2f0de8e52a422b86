//! The share of the audit in updates of one transaction: with it, less without it.

use std::path::Path;
use std::time::Instant;

use auditlog::prelude::*;
use auditlog::sqlite::rusqlite::{Connection, Transaction, params};
use auditlog::sqlite::{append_in, install};

use super::raw::{self, Extent, Raw};
use crate::history::Outcome;
use crate::measure::{Budget, median, row};
use crate::model::Account;

/// Updates in one transaction, and how often each side does them.
const UPDATES: usize = 2000;
const ROUNDS: usize = 15;
/// Updates of a unit of work.
const UNIT: usize = 16;

/// What is done about updates, given the states before the first and after each.
type Audit<'a> = &'a dyn Fn(&Transaction<'_>, &[Account]) -> Outcome<()>;

pub(super) fn run(folder: &Path) -> Outcome<()> {
    let log = AuditLog::builder().build();
    log.register::<Account>();
    let _context = auditlog::context()
        .actor("alice")
        .correlation_id("req-4711")
        .enter();
    let first = Account::sample();
    let states: Vec<Account> = (0..=UPDATES)
        .map(|n| Account {
            email: format!("ann-{n}@example.com"),
            logins: 18 + i64::try_from(n).unwrap_or_default(),
            ..first.clone()
        })
        .collect();

    let entries = |states: &[Account]| -> Outcome<Vec<LogEntry>> {
        let entries = states.windows(2).map(|pair| {
            let entry = log.updated(&pair[0], &pair[1]).into_entry()?;
            Ok(entry.ok_or("a changed object has an entry")?)
        });
        entries.collect()
    };
    let nothing: Audit<'_> = &|_, _| Ok(());
    let ours: Audit<'_> = &|transaction, states| Ok(append_in(transaction, &entries(states)?)?);
    let by_hand = |extent| {
        move |transaction: &Transaction<'_>, states: &[Account]| {
            states
                .windows(2)
                .try_for_each(|pair| raw::insert(transaction, extent, &pair[0], &pair[1]))
        }
    };
    let (same, lean) = (by_hand(Extent::Same), by_hand(Extent::Lean));
    let open = |name: &str| raw::open(&folder.join(name));
    let trail = |name: &str| -> Outcome<Connection> {
        let connection = open(name)?;
        install(&connection)?;
        Ok(connection)
    };
    let raw = |name: &str, extent| -> Outcome<Connection> {
        Ok(Raw::open(&folder.join(name), extent)?.connection)
    };
    let mut sides: [(Connection, usize, Audit<'_>); 6] = [
        (open("plain.db")?, 1, nothing),
        (trail("audited.db")?, 1, ours),
        (raw("raw.db", Extent::Same)?, 1, &same),
        (raw("lean.db", Extent::Lean)?, 1, &lean),
        (trail("audited-units.db")?, UNIT, ours),
        (raw("raw-units.db", Extent::Same)?, UNIT, &same),
    ];
    let mut times: [Vec<f64>; 6] = Default::default();
    for _ in 0..ROUNDS {
        for ((connection, unit, audit), times) in sides.iter_mut().zip(&mut times) {
            times.push(round(connection, &states, *unit, *audit)?);
        }
    }
    let [plain, audited, raw, lean, units, raw_units] = times.map(median);
    let share = |name: &str, ours, reference, budget| {
        row(
            &format!("sqlite/one-transaction/{name}"),
            ours - plain,
            reference - plain,
            "us",
            budget,
        );
    };
    share("audit-share", audited, raw, Budget::Ratio(1.3));
    share("audit-share/lean", audited, lean, Budget::None);
    // One statement beside as many prepared INSERTs.
    share("unit-of-16", units, raw_units, Budget::None);
    Ok(())
}

/// Updates an account in one transaction; returns microseconds an update, commit aside.
fn round(
    connection: &mut Connection,
    states: &[Account],
    unit: usize,
    audit: Audit<'_>,
) -> Outcome<f64> {
    let transaction = connection.transaction()?;
    let start = Instant::now();
    for from in (0..UPDATES).step_by(unit) {
        let states = &states[from..=from + unit];
        for state in &states[1..] {
            update_account(&transaction, state)?;
        }
        audit(&transaction, states)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count below 2^52")]
    let spent = start.elapsed().as_secs_f64() * 1e6 / UPDATES as f64;
    transaction.commit()?;
    Ok(spent)
}

/// The business statement that is audited.
fn update_account(transaction: &Transaction<'_>, account: &Account) -> Outcome<()> {
    transaction
        .prepare_cached("UPDATE account SET email = ?, logins = ? WHERE id = ?")?
        .execute(params![account.email, account.logins, 42])?;
    Ok(())
}
