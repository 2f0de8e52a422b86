//! One entry in the caller's transaction, beside the same transaction with one more INSERT.

use std::time::Instant;

use auditlog::postgres::{Schema, append_in, in_schema};
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
    Entry(&'s Schema),
    Insert(Statement),
}

pub(super) fn run(url: &str, schema: &str) -> Outcome<()> {
    let mut raw = Raw::connect(url)?;
    raw.run(&format!("SET search_path = {schema}, pg_catalog"))?;
    raw.run(
        "CREATE TABLE account (id bigint PRIMARY KEY, email text NOT NULL, logins bigint NOT NULL);
         INSERT INTO account VALUES (42, 'ann@example.com', 17);",
    )?;
    let insert = |table: &str| {
        raw.prepare(&format!(
            "INSERT INTO {table} ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, NULL, $8,
             $9, NULL, $10, $11, $12)"
        ))
    };
    let schema = Schema::named(schema)?;
    let sides = [
        Extra::Nothing,
        Extra::Entry(&schema),
        Extra::Insert(insert("raw")?),
        Extra::Insert(insert("lean")?),
    ];
    let update = raw.prepare("UPDATE account SET email = $1, logins = $2 WHERE id = 42")?;
    let log = AuditLog::builder().build();
    log.register::<Account>();
    let mut times: [Vec<f64>; 4] = Default::default();
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
    let [plain, ours, indexed, lean] = times.map(median);
    let budget = Budget::Ratio(1.1);
    row("postgres/callers-transaction", ours, indexed, "us", budget);
    let none = Budget::None;
    row("postgres/callers-transaction/lean", ours, lean, "us", none);
    row(
        "postgres/callers-transaction/audit-share",
        ours - plain,
        indexed - plain,
        "us",
        none,
    );
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
                Extra::Entry(schema) => {
                    append_in(&in_schema(schema, &transaction), &[entry]).await?;
                }
                Extra::Insert(statement) => insert(&transaction, statement, &entry).await?,
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
        .execute(
            statement,
            &[
                &row.id,
                &row.ts,
                &row.level,
                &row.action,
                &row.outcome,
                &row.model,
                &row.object_pk,
                &row.actor,
                &row.correlation_id,
                &row.fields,
                &Jsonb(&row.changes),
                &row.body,
            ],
        )
        .await?;
    Ok(())
}
