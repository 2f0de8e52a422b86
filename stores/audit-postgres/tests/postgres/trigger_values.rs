//! The values of all types of columns, in the form that an entry has.

use audit_core::{FieldSchema, ModelSchema, Query, Store};
use serde_json::{Value, json};

use crate::Test;
use crate::scratch::Scratch;
use crate::trigger_accounts::{accounts, all, field, install, on};

pub(crate) const TESTS: &[Test] = tests![
    every_type_has_its_form,
    floats_match_the_library,
    json_numbers_are_exact,
    numbers_are_compared_by_value,
];

#[expect(clippy::too_many_lines, reason = "a line for each type")]
fn every_type_has_its_form(scratch: &Scratch) {
    const FIELDS: &[FieldSchema] = &[field("id").identity(), field("value")];
    const THING: ModelSchema = ModelSchema::new("Thing", "Thing", FIELDS);
    let store = scratch.store();
    let sql = scratch.sql();
    // In the session everything is otherwise.
    sql.run(
        "SET timezone = 'Asia/Kolkata'; SET datestyle = 'German'; SET bytea_output = 'escape'; \
         SET extra_float_digits = -5; SET intervalstyle = 'postgres_verbose'; \
         CREATE TYPE mood AS ENUM ('so \"so\"', 'well'); CREATE DOMAIN tiny AS numeric(9, 4); \
         CREATE DOMAIN tinier AS tiny CHECK (value < 100); CREATE TYPE pair AS (b text, a int); \
         CREATE TYPE sale AS (amount numeric, at timestamptz, of pair, \"b a\" tiny[])",
    )
    .unwrap();
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    let cases: Vec<(&str, String, Value)> =
        vec![
        ("integer", "-5".into(), json!(-5)),
        (
            "bigint",
            "9007199254740992".into(),
            json!(9_007_199_254_740_992_i64),
        ),
        (
            "bigint",
            "9007199254740993".into(),
            json!("9007199254740993"),
        ),
        (
            "bigint",
            "-9223372036854775808".into(),
            json!("-9223372036854775808"),
        ),
        ("numeric", "1.50".into(), json!("1.50")),
        ("numeric", "100".into(), json!("100")),
        ("numeric", "'NaN'".into(), json!("NaN")),
        (
            "numeric",
            "1e30".into(),
            json!("1000000000000000000000000000000"),
        ),
        ("tinier", "1.25".into(), json!("1.2500")),
        ("double precision", "0.1".into(), json!(0.1)),
        ("double precision", "'-0'".into(), json!(0.0)),
        ("double precision", "'Infinity'".into(), json!("Infinity")),
        ("real", "0.1".into(), json!(0.1)),
        ("boolean", "true".into(), json!(true)),
        ("text", "NULL".into(), Value::Null),
        (
            "text",
            "E'\\x01\\x1f\\x7f\\\\u0001 \"''\\t \u{2028}\u{1f600}'".into(),
            json!("\u{1}\u{1f}\u{7f}\\u0001 \"'\t \u{2028}\u{1f600}"),
        ),
        ("char(5)", "'ab'".into(), json!("ab   ")),
        (
            "uuid",
            "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'".into(),
            json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ),
        ("mood", "'so \"so\"'".into(), json!("so \"so\"")),
        (
            "timestamptz",
            "'2026-01-31 13:37:00.5+02'".into(),
            json!("2026-01-31T11:37:00.500Z"),
        ),
        (
            "timestamptz",
            "'2026-01-31 13:37:00.000001+00'".into(),
            json!("2026-01-31T13:37:00.000001Z"),
        ),
        (
            "timestamptz",
            "'12026-01-31 13:37:00+00'".into(),
            json!("+12026-01-31T13:37:00Z"),
        ),
        ("timestamptz", "'infinity'".into(), json!("infinity")),
        (
            "timestamp",
            "'2026-01-31 13:37:00'".into(),
            json!("2026-01-31T13:37:00"),
        ),
        ("date", "'2026-01-31'".into(), json!("2026-01-31")),
        ("time", "'13:37:00.25'".into(), json!("13:37:00.250")),
        ("interval", "'90 seconds'".into(), json!("PT1M30S")),
        ("bytea", "'\\xdeadbeef'".into(), json!("deadbeef")),
        ("inet", "'10.0.0.1'".into(), json!("10.0.0.1")),
        ("inet", "'10.0.0.0/8'".into(), json!("10.0.0.0/8")),
        (
            "text[]",
            "ARRAY['a', NULL, '{', '\"']".into(),
            json!(["a", null, "{", "\""]),
        ),
        ("text[]", "'{}'".into(), json!([])),
        ("integer[]", "'[0:1]={1,2}'".into(), json!([1, 2])),
        (
            "bigint[]",
            "'{{1,2},{3,9007199254740993}}'".into(),
            json!([[1, 2], [3, "9007199254740993"]]),
        ),
        (
            "timestamptz[]",
            "ARRAY['2026-01-31 13:37:00+02'::timestamptz]".into(),
            json!(["2026-01-31T11:37:00Z"]),
        ),
        ("numeric[]", "'{1.50,NaN}'".into(), json!(["1.50", "NaN"])),
        ("float8[]", "'{1,NaN}'".into(), json!([1.0, "NaN"])),
        (
            "jsonb[]",
            "ARRAY['[1]'::jsonb, '{\"b\": 1, \"a\": [2]}']".into(),
            json!([[1], {"a": [2], "b": 1}]),
        ),
        (
            "jsonb",
            "'{\"b\": 1.50, \"aa\": [null, true, \"\\u0001\"], \"\": {}, \"a\": 9007199254740993}'"
                .into(),
            json!({"": {}, "a": 9_007_199_254_740_993_i64, "aa": [null, true, "\u{1}"], "b": 1.5}),
        ),
        (
            "jsonb",
            "'[1e400, 1e-400, 1e30, 0.0, -0.1e-7]'".into(),
            json!([
                "1E400",
                "1E-400",
                1e30,
                0.0,
                -1e-8
            ]),
        ),
        ("jsonb", "'null'".into(), Value::Null),
        ("jsonb", format!("'{deep}'"), json!(deep)),
        ("json", "'{ \"a\" : 1, \"a\" : 2 }'".into(), json!({"a": 2})),
        ("json", "'\"\\u0000\"'".into(), json!("\"\\u0000\"")),
        ("json", "'\"\\ud83d\"'".into(), json!("\"\\ud83d\"")),
        ("json", "'[1e1000000]'".into(), json!("[1e1000000]")),
        ("pair", "ROW('x', 1)".into(), json!({"a": 1, "b": "x"})),
        (
            "sale",
            "ROW(1.50, '2026-01-31 13:37+02', ROW(NULL, 1), ARRAY[0.50])".into(),
            json!({
                "amount": "1.50", "at": "2026-01-31T11:37:00Z", "b a": ["0.5000"],
                "of": {"a": 1, "b": null}
            }),
        ),
        (
            "pair[]",
            "ARRAY[ROW('{', 1), NULL]::pair[]".into(),
            json!([{"a": 1, "b": "{"}, null]),
        ),
        ("mood[]", "ARRAY['well', 'so \"so\"']::mood[]".into(), json!(["well", "so \"so\""])),
        ("tiny[]", "ARRAY[1.50, NULL]".into(), json!(["1.5000", null])),
        ("jsonb[]", "ARRAY['{\"b\": 1.0}', 'null']::jsonb[]".into(), json!([{"b": 1.0}, null])),
        ("boolean[]", "ARRAY[true, false]".into(), json!([true, false])),
        ("box[]", "'{(1,1),(0,0);(2,2),(1,1)}'".into(), json!("{(1,1),(0,0);(2,2),(1,1)}")),
        ("int8range", "'[1,4)'".into(), json!("[1,4)")),
    ];
    for (number, (kind, literal, expected)) in cases.iter().enumerate() {
        let table = format!("things_{number}");
        sql.run(&format!(
            "CREATE TABLE {table} (id integer PRIMARY KEY, value {kind})"
        ))
        .unwrap();
        sql.run(&on(scratch, THING.describe(), &table).sql().unwrap())
            .unwrap();
        sql.run(&format!(
            "INSERT INTO {table} VALUES ({number}, {literal}); \
             UPDATE {table} SET value = value; UPDATE {table} SET value = NULL; \
             UPDATE {table} SET value = {literal}; DELETE FROM {table}"
        ))
        .unwrap_or_else(|error| panic!("{kind} {literal}: {error:?}"));
        let found = store
            .find(&Query::new().object_pk(number).oldest_first())
            .unwrap()
            .entries;
        let values: Vec<_> = found
            .iter()
            .filter_map(|entry| entry.changes.get("value"))
            .map(|change| (change.old.clone(), change.new.clone()))
            .collect();
        let (value, null) = (Some(expected.clone()), Some(Value::Null));
        let changed = vec![
            (None, value.clone()),
            (value.clone(), null.clone()),
            (null, value.clone()),
            (value, None),
        ];
        if expected.is_null() {
            assert_eq!(
                values,
                [changed[0].clone(), changed[3].clone()],
                "{kind} {literal}"
            );
        } else {
            assert_eq!(values, changed, "{kind} {literal}");
        }
    }
    all(&store, &sql);
}

fn floats_match_the_library(scratch: &Scratch) {
    let (_store, sql) = accounts(scratch, |triggers| triggers);
    let mut numbers = vec![
        0.1,
        1e15,
        1e16,
        1e17,
        123_456_789_012_345_680.0,
        1e-4,
        1e-5,
        1e-6,
        5e-324,
        1e22,
        1e23,
        2e23,
        f64::MAX,
    ];
    numbers.extend((-1074..1024).map(|power| 2_f64.powi(power)));
    numbers.extend((-323..308).map(|power| format!("1e{power}").parse::<f64>().unwrap()));
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..20_000 {
        bits = bits
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        numbers.push(f64::from_bits(bits ^ (bits >> 29)));
    }
    numbers.extend((0..2_000).map(|number| f64::from(number) / 100.0));
    numbers.retain(|number| number.is_finite() && *number != 0.0);
    let given: Vec<_> = numbers.iter().map(|number| format!("{number:e}")).collect();
    let rows = sql
        .run(&format!(
            "SELECT audit_float(t.number) FROM unnest('{{{}}}'::float8[]) WITH ORDINALITY \
             AS t(number, ordinal) ORDER BY ordinal",
            given.join(",")
        ))
        .unwrap();
    for (row, number) in rows.iter().zip(&numbers) {
        assert_eq!(
            row[0].as_deref(),
            Some(&*json!(number).to_string()),
            "{number:e}"
        );
    }
}

/// Numbers of JSON, and what an entry holds of each: those of the library.
const JSON_NUMBERS: &str = include_str!("../../../../audit-core/tests/fixtures/numbers.tsv");

fn json_numbers_are_exact(scratch: &Scratch) {
    const FIELDS: &[FieldSchema] = &[field("id").identity(), field("value")];
    const READING: ModelSchema = ModelSchema::new("Reading", "Reading", FIELDS);
    let store = scratch.store();
    let sql = scratch.sql();
    sql.run("CREATE TABLE readings (id integer PRIMARY KEY, value jsonb)")
        .unwrap();
    install(&sql, &on(scratch, READING.describe(), "readings"));
    let rows = JSON_NUMBERS.lines().filter(|row| !row.starts_with('#'));
    let rows: Vec<_> = rows.map(|row| row.split_once('\t').unwrap()).collect();
    assert!(rows.len() > 50);
    for (number, (given, form)) in rows.iter().enumerate() {
        sql.run(&format!(
            "INSERT INTO readings VALUES ({number}, '{{\"n\": {given}}}')"
        ))
        .unwrap();
        let stored = sql.value(&format!(
            "SELECT substring(body FROM '\"value\":.\"new\":.\"n\":([^}}]*)') FROM audit_entry \
             WHERE object_pk = '{number}'"
        ));
        if form.starts_with('"') {
            assert_eq!(&stored, form, "{given}");
        } else {
            // The number may be spelled in another way.
            let same = sql.value(&format!("SELECT {stored}::numeric = {form}::numeric"));
            assert_eq!(same, "t", "{given} is {stored}");
        }
    }
    // Those that differ by less than a double can represent.
    let pairs = [
        (
            "123456789012345678901234567890",
            "123456789012345678901234567891",
        ),
        ("18446744073709551615", "18446744073709551616"),
        ("0.12345678901234567890", "0.12345678901234567891"),
        ("9007199254740993.5", "9007199254740993.25"),
    ];
    for (number, (old, new)) in (1000..).zip(pairs) {
        sql.run(&format!(
            "INSERT INTO readings VALUES ({number}, '{old}'); \
             UPDATE readings SET value = '{new}' WHERE id = {number}"
        ))
        .unwrap();
        let updates = Query::new()
            .model_name("Reading")
            .object_pk(number)
            .action("update");
        assert_eq!(store.count(&updates).unwrap(), 1, "{old} to {new}");
    }
    all(&store, &sql);
}

/// Two spellings of one number are no change, whatever holds it.
fn numbers_are_compared_by_value(scratch: &Scratch) {
    const FIELDS: &[FieldSchema] = &[
        field("id").identity(),
        field("price"),
        field("prices"),
        field("facts"),
    ];
    const ITEM: ModelSchema = ModelSchema::new("Item", "Item", FIELDS);
    let store = scratch.store();
    let sql = scratch.sql();
    sql.run(
        "CREATE DOMAIN price AS numeric; CREATE TABLE items (id integer PRIMARY KEY, \
         price price, prices numeric[], facts jsonb); \
         CREATE TABLE watched (LIKE items INCLUDING ALL)",
    )
    .unwrap();
    install(&sql, &on(scratch, ITEM.describe(), "items"));
    install(&sql, &on(scratch, ITEM.describe(), "watched").watch());
    for table in ["items", "watched"] {
        sql.run(&format!(
            "INSERT INTO {table} VALUES (1, 10.50, '{{1.0,NULL}}', '{{\"a\": [1.0, 1e0]}}'); \
             UPDATE {table} SET price = 10.5, prices = '{{1.00,NULL}}', \
                 facts = '{{\"a\": [1.00, 1.0]}}'; \
             UPDATE {table} SET price = 10.51"
        ))
        .unwrap();
    }
    let found = all(&store, &sql);
    let [created, updated] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(created.changes["price"].new, Some(json!("10.50")));
    assert_eq!(updated.changes.len(), 1);
    assert_eq!(updated.changes["price"].old, Some(json!("10.5")));
    let noted = "SELECT string_agg(action, ' ' ORDER BY at) FROM audit_touched";
    assert_eq!(sql.value(noted), "create update");
}
