//! With serde_json's feature `arbitrary_precision` a number of a JSON value keeps its spelling.

use auditlog::Query;
use auditlog::prelude::*;
use serde_json::Value;

/// Spellings of numbers and what the trail holds of them.
const NUMBERS: &str = include_str!("../../tests/fixtures/numbers.tsv");

fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = NUMBERS.lines().filter(|row| !row.starts_with('#'));
    rows.map(|row| row.split_once('\t').unwrap())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Holder {
    id: u32,
    value: Value,
    large: u64,
    #[audit(serde)]
    foreign: Foreign,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Foreign {
    inner: Vec<Value>,
    large: u64,
}

fn holder(text: &str) -> Holder {
    Holder {
        id: 1,
        value: json(text),
        large: u64::MAX,
        foreign: Foreign {
            inner: vec![json(text)],
            large: u64::MAX,
        },
    }
}

/// Whether a recorded value is the one of the table.
fn is(value: &Value, stored: &str) -> bool {
    let expected = json(stored);
    value.is_number() == expected.is_number() && auditlog::backend::projection::equal_json(value, &expected)
}

#[test]
fn digits_are_kept() {
    assert_eq!(json("1.00").to_string(), "1.00", "the feature is on");
    for (spelling, stored) in rows() {
        let value = auditlog::snapshot(&json(spelling));
        assert!(is(&value, stored), "{spelling} is {value}");
        let held = auditlog::snapshot(&holder(spelling));
        for value in [&held["value"], &held["foreign"]["inner"][0]] {
            assert!(is(value, stored), "{spelling} is {value}");
        }
        // Integers of typed fields stay texts beyond 2^53.
        assert_eq!(held["large"], u64::MAX.to_string());
        assert_eq!(held["foreign"]["large"], u64::MAX.to_string());
    }
    assert_eq!(auditlog::snapshot(&json("1E400")), "1E400");
    assert_eq!(
        auditlog::snapshot(&json("12345678901234567890123")),
        "12345678901234567890123"
    );
}

#[test]
fn two_spellings_of_one_number_are_no_change() {
    let changes = auditlog::diff(&holder("[1.0, 1e0, 1]"), &holder("[1.00, 1.0, 10e-1]"));
    assert!(changes.is_empty(), "{changes}");
    let (long, longer) = ("0.12345678901234567890", "0.12345678901234567891");
    let changes = auditlog::diff(&holder(long), &holder(longer));
    assert_eq!(changes.len(), 2, "{changes}");
    // Values with equal recorded forms are the same.
    assert!(auditlog::diff(&json("1E400"), &json("\"1E400\"")).is_empty());
}

#[test]
fn a_history_of_them_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("audit.db")).unwrap();
    let log = AuditLog::builder().store(store).build();
    log.register::<Holder>();
    let mut last: Option<Holder> = None;
    for (spelling, _) in rows() {
        let new = holder(spelling);
        match &last {
            None => log.created(&new).record().unwrap(),
            Some(old) => log.updated(old, &new).record().unwrap(),
        };
        let latest = log.history::<Holder>(1).unwrap().latest();
        assert!(latest.complete, "{spelling}: {:?}", latest.missing);
        let state = auditlog::snapshot(&new);
        assert!(
            auditlog::backend::projection::equal_json(&latest.state, &state),
            "{spelling}: {} is not {state}",
            latest.state
        );
        let typed = latest.typed::<Holder>().unwrap().unwrap();
        assert_eq!(typed.large, new.large);
        assert!(auditlog::diff(&typed, &new).is_empty(), "{spelling}");
        last = Some(new);
    }
}

#[test]
fn bytes_are_the_same_as_without_the_feature() {
    let log = AuditLog::builder().build();
    log.register::<Holder>();
    let new = holder("[0.1, 1e2, 1e30, -0.0, 18446744073709551616, 7]");
    log.created(&new)
        .extra("n", json("1E400"))
        .record()
        .unwrap();
    let entry = log.query().first().unwrap().unwrap();
    let text = entry.to_canonical_json().unwrap();
    let list = r#"[0.1,100.0,1e+30,0.0,"18446744073709551616",7]"#;
    assert!(text.contains(list), "{text}");
    assert!(
        text.contains(r#""additional_data":{"n":"1E400"}"#),
        "{text}"
    );
    let read: LogEntry = serde_json::from_str(&text).unwrap();
    assert_eq!(read.to_canonical_json().unwrap(), text);
    assert_eq!(read.changes, entry.changes);
}

#[test]
fn numbers_that_were_not_normalized_are_written_in_stored_form() {
    let mut entry = LogEntry::new("import", "Holder", "1", "Holder 1");
    let numbers = json("[1.000000000000000000001,1E1,-0,1e30]");
    entry.additional_data.insert("n".to_owned(), numbers);
    let text = entry.to_canonical_json().unwrap();
    let list = r#""n":["1.000000000000000000001",10.0,0,1e+30]"#;
    assert!(text.contains(list), "{text}");
}

#[test]
fn queries_find_them() {
    let log = AuditLog::builder().build();
    log.register::<Holder>();
    for (spelling, _) in rows() {
        let new = holder(spelling);
        log.updated(&holder("null"), &new).record().unwrap();
        let found = log
            .query()
            .changed_to("value", json(spelling))
            .all()
            .unwrap();
        assert!(
            found.iter().any(|entry| {
                let value = entry.changes["value"].new.as_ref();
                value.is_some_and(|value| {
                    is(value, &auditlog::snapshot(&json(spelling)).to_string())
                })
            }),
            "{spelling}"
        );
        let query = format!("changed_to:value={spelling}")
            .parse::<Query>()
            .unwrap();
        assert_eq!(
            log.store().find(&query).unwrap().entries.len(),
            found.len(),
            "{spelling}"
        );
    }
}
