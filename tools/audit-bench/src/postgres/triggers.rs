//! Writes to a table with triggers, beside the same writes to tables with other triggers or none.
//!
//! `same-work` has a trigger of one's own that does what ours do: for each row it compares the
//! columns, makes the entry's JSON and its checksum, and inserts it into a table with the trail's
//! columns and indexes. `lean` has the usual one: for each row an INSERT of both whole rows as JSON
//! into a table with a primary key only.

use std::time::Instant;

use auditlog::postgres::Triggers;

use super::raw::{self, Raw};
use crate::history::Outcome;
use crate::measure::{Budget, median, row};
use crate::model::Account;

const ROUNDS: usize = 7;
/// Rows of a bulk statement.
const ROWS: usize = 10_000;
/// Transactions of a round that write one row each.
const TRANSACTIONS: u32 = 100;

/// The tables that are written to.
const TABLES: [&str; 4] = ["watched", "plain", "same_work", "lean_work"];

const LEAN: &str = "
    CREATE TABLE lean_audit (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        action text NOT NULL, old jsonb, new jsonb
    );
    CREATE FUNCTION lean_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO lean_audit (action, old, new) VALUES (
            TG_OP,
            CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
            CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END
        );
        RETURN NULL;
    END $$;
    CREATE TRIGGER lean_audit AFTER INSERT OR UPDATE OR DELETE ON lean_work
        FOR EACH ROW EXECUTE FUNCTION lean_audit();";

/// A trigger for each row into the table `same_work_audit`.
const SAME_WORK: &str = r#"
    CREATE FUNCTION same_work_audit() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE
        before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) ELSE '{}' END;
        after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) ELSE '{}' END;
        action text := CASE TG_OP
            WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END;
        object jsonb := CASE WHEN TG_OP = 'DELETE' THEN before ELSE after END;
        moment timestamptz := clock_timestamp();
        micros bigint := (extract(epoch FROM moment) * 1000000)::bigint;
        -- Of version 7, so that ids order as times do.
        entry_id uuid := (lpad(to_hex(micros / 1000), 12, '0') || '7'
            || lpad(to_hex((micros % 1000) * 4096 / 1000), 3, '0')
            || substr(replace(gen_random_uuid()::text, '-', ''), 17))::uuid;
        transaction uuid := md5(pg_current_xact_id()::text)::uuid;
        changes jsonb;
        fields text[];
        body text;
    BEGIN
        SELECT jsonb_object_agg(c.key,
                CASE WHEN before ? c.key THEN jsonb_build_object('old', before -> c.key) ELSE '{}' END
                || CASE WHEN after ? c.key THEN jsonb_build_object('new', after -> c.key) ELSE '{}' END),
            array_agg(c.key)
            INTO changes, fields
            FROM jsonb_object_keys(before || after) AS c(key)
            WHERE before -> c.key IS DISTINCT FROM after -> c.key;
        IF changes IS NULL THEN
            RETURN NULL;
        END IF;
        body := jsonb_build_object('action', action, 'changes', changes, 'id', entry_id,
            'level', 'INFO', 'model', 'Account', 'object_pk', object ->> 'id',
            'object_repr', object ->> 'username', 'outcome', 'success', 'schema_version', 1,
            'additional_data', jsonb_build_object('application', current_setting('application_name'),
                'role', session_user, 'table', TG_RELID::regclass),
            'timestamp', to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'transaction_id', transaction, 'v', 1)::text;
        INSERT INTO same_work_audit (id, ts, level, action, outcome, model, object_pk,
            transaction_id, fields, changes, body, checksum)
            VALUES (entry_id, micros, 20, action, 'success', 'Account', object ->> 'id',
            transaction, fields, changes, body, sha256(convert_to(body, 'UTF8')));
        RETURN NULL;
    END $$;
    CREATE TRIGGER same_work_audit AFTER INSERT OR UPDATE OR DELETE ON same_work
        FOR EACH ROW EXECUTE FUNCTION same_work_audit();"#;

pub(super) fn run(raw: &Raw, schema: &str) -> Outcome<()> {
    for table in TABLES {
        raw.run(&format!(
            "CREATE TABLE {table} (id bigint PRIMARY KEY, username text, email text,
             first_name text, last_name text, bio text, phone text, active boolean,
             balance float8, last_login timestamptz, logins bigint, status text)"
        ))?;
    }
    raw.run(LEAN)?;
    raw.run(&raw::table("same_work_audit", true))?;
    raw.run(SAME_WORK)?;
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
    let mut times: [[Vec<f64>; 4]; 4] = Default::default();
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
        let [watched, plain, same_work, lean] = times.map(median);
        let limit = if name == "update-one" { 1.5 } else { 1.0 };
        for (reference, time, budget) in [
            ("", plain, Budget::None),
            ("/same-work", same_work, Budget::Ratio(limit)),
            ("/lean", lean, Budget::None),
        ] {
            let name = format!("postgres/triggers/{name}{reference}");
            row(&name, watched, time, "us", budget);
        }
    }
    Ok(())
}
