//! One entry in the caller's transaction, beside the same transaction with one more INSERT.
//!
//! Both sides run statements that they prepared once, or both have theirs planned anew each
//! time.

use std::time::Instant;

use auditlog::postgres::{Prepared, Schema, append_in, in_schema};
use auditlog::prelude::*;
use tokio_postgres::{Statement, Transaction};

use super::raw::{COLUMNS, Jsonb, Raw, RawRow};
use crate::history::Outcome;
use crate::measure::{Budget, median, row};
use crate::model::Account;

/// Transactions of a round, and how many rounds there are.
const TRANSACTIONS: u32 = 100;
const ROUNDS: usize = 25;

/// What a transaction does besides its business.
enum Extra<'s> {
    Nothing,
    Prepared(Prepared),
    Entry(&'s Schema),
    Insert(Statement),
    Unprepared(String),
}

pub(super) fn run(url: &str, schema: &str) -> Outcome<()> {
    let mut raw = Raw::connect(url)?;
    raw.run(&format!("SET search_path = {schema}, pg_catalog"))?;
    raw.run(
        "CREATE TABLE account (id bigint PRIMARY KEY, email text NOT NULL, logins bigint NOT NULL);
         INSERT INTO account VALUES (42, 'ann@example.com', 17);",
    )?;
    let insert = |table: &str| {
        format!(
            "INSERT INTO {table} ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, NULL, $8,
             $9, NULL, $10, $11, $12, $13)"
        )
    };
    let schema = Schema::named(schema)?;
    let prepared = raw.wait(Prepared::new(&raw.client, Some(&schema)))?;
    let sides = [
        Extra::Nothing,
        Extra::Prepared(prepared),
        Extra::Insert(raw.prepare(&insert("raw"))?),
        Extra::Insert(raw.prepare(&insert("lean"))?),
        Extra::Entry(&schema),
        Extra::Unprepared(insert("raw")),
    ];
    let update = raw.prepare("UPDATE account SET email = $1, logins = $2 WHERE id = 42")?;
    let log = AuditLog::builder().build();
    log.register::<Account>();
    let mut times: [Vec<f64>; 6] = Default::default();
    let mut old = Account::sample();
    for _ in 0..ROUNDS {
        for (side, times) in sides.iter().zip(&mut times) {
            let start = Instant::now();
            for _ in 0..TRANSACTIONS {
                let new = Account {
                    email: format!("ann-{}@example.com", old.logins),
                    logins: old.logins + 1,
                    ..old.clone()
                };
                transaction(&mut raw, &update, side, &log, &old, &new)?;
                old = new;
            }
            times.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(TRANSACTIONS));
        }
    }
    let [plain, ours, indexed, lean, unprepared, raw_unprepared] = times.map(median);
    let (budget, none) = (Budget::Ratio(1.1), Budget::None);
    let line = |name: &str, ours, reference, budget| {
        row(
            &format!("postgres/callers-transaction{name}"),
            ours,
            reference,
            "us",
            budget,
        );
    };
    line("", ours, indexed, budget);
    line("/unprepared", unprepared, raw_unprepared, budget);
    line("/lean", ours, lean, none);
    line("/audit-share", ours - plain, indexed - plain, none);
    Ok(())
}

fn transaction(
    raw: &mut Raw,
    update: &Statement,
    extra: &Extra<'_>,
    log: &AuditLog,
    old: &Account,
    new: &Account,
) -> Outcome<()> {
    let draft = log
        .updated(old, new)
        .actor("alice")
        .correlation_id("req-4711");
    let (runtime, client) = raw.parts();
    runtime.block_on(async {
        let transaction = client.transaction().await?;
        transaction
            .execute(update, &[&new.email, &new.logins])
            .await?;
        if let Some(entry) = draft.into_entry()? {
            match extra {
                Extra::Nothing => {}
                Extra::Prepared(prepared) => {
                    append_in(&prepared.on(&transaction), &[entry]).await?;
                }
                Extra::Entry(schema) => {
                    append_in(&in_schema(schema, &transaction), &[entry]).await?;
                }
                Extra::Insert(statement) => insert(&transaction, statement, &entry).await?,
                Extra::Unprepared(sql) => insert_unprepared(&transaction, sql, &entry).await?,
            }
        }
        Ok(transaction.commit().await?)
    })
}

async fn insert(
    transaction: &Transaction<'_>,
    statement: &Statement,
    entry: &LogEntry,
) -> Outcome<()> {
    let row = RawRow::of(entry)?;
    transaction
        .execute(statement, &row.params(&Jsonb(&row.changes)))
        .await?;
    Ok(())
}

async fn insert_unprepared(
    transaction: &Transaction<'_>,
    sql: &str,
    entry: &LogEntry,
) -> Outcome<()> {
    let row = RawRow::of(entry)?;
    let changes = Jsonb(&row.changes);
    let typed: Vec<_> = row
        .params(&changes)
        .into_iter()
        .zip(RawRow::TYPES)
        .collect();
    transaction.execute_typed(sql, &typed).await?;
    Ok(())
}
