//! Writes to a table with triggers, beside the same writes to a table without any.
//!
//! Rows called `by-hand` have the usual trigger of one's own on their reference: for each row
//! an INSERT of both whole rows as JSON into a table with a primary key only.

use std::time::Instant;

use auditlog::postgres::Triggers;

use super::raw::Raw;
use crate::history::Outcome;
use crate::measure::{Budget, median, row};
use crate::model::Account;

const ROUNDS: usize = 7;
/// Rows of a bulk statement.
const ROWS: usize = 10_000;
/// Transactions of a round that write one row each.
const TRANSACTIONS: u32 = 100;

/// The tables that are written to.
const TABLES: [&str; 3] = ["watched", "plain", "by_hand"];

const BY_HAND: &str = "
    CREATE TABLE by_hand_audit (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        action text NOT NULL, old jsonb, new jsonb
    );
    CREATE FUNCTION by_hand_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO by_hand_audit (action, old, new) VALUES (
            TG_OP,
            CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
            CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END
        );
        RETURN NULL;
    END $$;
    CREATE TRIGGER by_hand_audit AFTER INSERT OR UPDATE OR DELETE ON by_hand
        FOR EACH ROW EXECUTE FUNCTION by_hand_audit();";

pub(super) fn run(raw: &Raw, schema: &str) -> Outcome<()> {
    for table in TABLES {
        raw.run(&format!(
            "CREATE TABLE {table} (id bigint PRIMARY KEY, username text, email text,
             first_name text, last_name text, bio text, phone text, active boolean,
             balance float8, last_login timestamptz, logins bigint, status text)"
        ))?;
    }
    raw.run(BY_HAND)?;
    let triggers = Triggers::of::<Account>(format!("{schema}.watched")).schema(schema);
    raw.run(&triggers.sql()?)?;
    // Others may have set another path.
    raw.run(&format!("SET search_path = {schema}, pg_catalog"))?;
    let insert = |table: &str| {
        format!(
            "INSERT INTO {table} SELECT n, 'user' || n, n || '@example.com', 'Ann', 'Example',
             'writes about the things that people do', NULL, true, 1234.5, now(), 17, 'Active'
             FROM generate_series(1, {ROWS}) AS n"
        )
    };
    let update = |table: &str| format!("UPDATE {table} SET logins = logins + 1");
    let delete = |table: &str| format!("DELETE FROM {table}");
    let one = |table: &str| {
        format!("BEGIN; UPDATE {table} SET logins = logins + 1 WHERE id = 42; COMMIT")
    };
    let mut times: [[Vec<f64>; 3]; 4] = Default::default();
    for _ in 0..ROUNDS {
        for (at, table) in TABLES.into_iter().enumerate() {
            let mut time = |what: usize, number: u32, sql: &str| -> Outcome<()> {
                let start = Instant::now();
                for _ in 0..number {
                    raw.run(sql)?;
                }
                times[what][at].push(start.elapsed().as_secs_f64() * 1e6 / f64::from(number));
                Ok(())
            };
            time(0, 1, &insert(table))?;
            time(1, 1, &update(table))?;
            time(2, TRANSACTIONS, &one(table))?;
            time(3, 1, &delete(table))?;
            raw.run(&format!("VACUUM {table}"))?;
        }
    }
    let names = ["insert-10000", "update-10000", "update-one", "delete-10000"];
    for (name, times) in names.into_iter().zip(times) {
        let [watched, plain, by_hand] = times.map(median);
        let name = format!("postgres/triggers/{name}");
        row(&name, watched, plain, "us", Budget::None);
        row(
            &format!("{name}/by-hand"),
            watched,
            by_hand,
            "us",
            Budget::None,
        );
    }
    Ok(())
}
