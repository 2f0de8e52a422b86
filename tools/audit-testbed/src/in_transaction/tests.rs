//! What holds for every driver.

use audit_core::{
    Action, AuditLog, Change, Flow, Path, PathSegment, Query, Receipt, SkipReason, Store,
};

use super::database::Database;
use super::{End, Failure, Run, Step};
use audit_testkit::entries;

/// A driver, and a database that has a trail and the table `account`.
pub(crate) struct Driver<'d> {
    pub(crate) database: &'d dyn Database,
    pub(crate) run: Run,
}

impl Driver<'_> {
    fn run(&self, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
        (self.run)(&self.database.location(), steps, end)
    }

    fn number(&self, query: &str) -> i64 {
        self.database.number(query)
    }

    fn store(&self) -> &dyn Store {
        self.database.store()
    }
}

/// A test, and its name.
pub(crate) type Test = (&'static str, fn(&Driver<'_>));

/// All tests of the suite.
pub(crate) const TESTS: &[Test] = &[
    ("a_commit_keeps_the_change_and_its_entry", commit_keeps_both),
    ("a_rollback_keeps_neither", rollback_keeps_neither),
    ("an_id_that_is_taken_fails_the_transaction", conflict_fails),
    (
        "a_trail_that_cannot_be_written_fails_the_transaction",
        broken_trail_fails,
    ),
    ("a_savepoint_takes_its_entries_with_it", savepoints),
    ("a_unit_is_one_statement", unit_is_one_statement),
    ("a_unit_without_entries_is_none", empty_unit),
    (
        "entries_come_back_as_they_were_and_once",
        odd_texts_and_repetition,
    ),
    ("what_an_audit_transaction_kept_back_is_written", kept_back),
];

const DEPOSIT: &str = "INSERT INTO account (id, balance) VALUES (1, 100)";

fn deposit() -> Step {
    Step::Sql(DEPOSIT.to_owned())
}

fn log() -> AuditLog {
    AuditLog::builder().build()
}

/// The numbers of accounts and of entries.
fn rows(driver: &Driver<'_>) -> (i64, u64) {
    let accounts = driver.number("SELECT count(*) FROM account");
    let entries = driver
        .store()
        .count(&Query::new())
        .expect("a number of entries");
    (accounts, entries)
}

fn commit_keeps_both(driver: &Driver<'_>) {
    let draft = log().event("deposited").reason("ticket 7");
    let steps = vec![deposit(), Step::Record(draft)];
    let receipts = driver.run(steps, End::Commit).expect("a commit");
    assert_eq!(rows(driver), (1, 1));
    let found = driver
        .store()
        .find(&Query::new())
        .expect("the entry")
        .entries;
    assert_eq!(receipts, [Receipt::Recorded(found[0].id)]);
    assert_eq!(found[0].reason.as_deref(), Some("ticket 7"));
    driver.database.check();
}

fn rollback_keeps_neither(driver: &Driver<'_>) {
    let mut unit = log().unit();
    unit.event("deposited").event("notified");
    let steps = vec![
        deposit(),
        Step::Record(log().event("deposited")),
        Step::RecordUnit(unit),
    ];
    driver.run(steps, End::RollBack).expect("a rollback");
    assert_eq!(rows(driver), (0, 0));
}

fn conflict_fails(driver: &Driver<'_>) {
    let entry = &entries(1, 1)[0];
    driver
        .run(vec![Step::Append(vec![entry.clone()])], End::Commit)
        .expect("the first entry");
    let id = entry.id;
    let log = AuditLog::builder().ids(move || id).build();
    let steps = vec![deposit(), Step::Record(log.event("deposited"))];
    let failure = driver.run(steps, End::Commit).expect_err("the id is taken");
    assert!(
        failure
            .to_string()
            .contains(&format!("another entry has the id {id}")),
        "{failure}"
    );
    assert_eq!(rows(driver), (0, 1));
    // In one statement, too.
    let mut unit = log.unit();
    unit.event("deposited").event("notified");
    let failure = driver.run(vec![deposit(), Step::RecordUnit(unit)], End::Commit);
    assert!(failure.is_err());
    assert_eq!(rows(driver), (0, 1));
    // Among themselves.
    let mut two = [entries(2, 2).remove(1), entries(2, 2).remove(1)];
    two[1].reason = Some("another".to_owned());
    let id = two[0].id;
    let failure = driver
        .run(vec![deposit(), Step::Append(two.to_vec())], End::Commit)
        .expect_err("the id is taken");
    assert_eq!(
        failure.to_string(),
        format!("another entry has the id {id}")
    );
    assert_eq!(rows(driver), (0, 1));
    driver.database.check();
}

fn broken_trail_fails(driver: &Driver<'_>) {
    driver.database.make_unwritable();
    let steps = vec![deposit(), Step::Record(log().event("deposited"))];
    let failure = driver
        .run(steps, End::Commit)
        .expect_err("there is no trail");
    // What the server said, and what to do about it.
    let said = failure.to_string();
    assert!(said.contains("audit_"), "{said}");
    assert!(said.contains("no trail"), "{said}");
    assert!(failure.source().is_none(), "it has said all: {said}");
    assert_eq!(driver.number("SELECT count(*) FROM account"), 0);
}

fn savepoints(driver: &Driver<'_>) {
    let log = log();
    let add = |id: i64| {
        Step::Sql(format!(
            "INSERT INTO account (id, balance) VALUES ({id}, 1)"
        ))
    };
    let record = |name: &'static str| Step::Record(log.event(name));
    let receipts = driver
        .run(
            vec![
                add(1),
                record("first"),
                Step::Savepoint(vec![add(2), record("lost")], End::RollBack),
                Step::Savepoint(
                    vec![
                        add(3),
                        record("second"),
                        Step::Savepoint(vec![add(4), record("lost too")], End::RollBack),
                    ],
                    End::Commit,
                ),
                record("third"),
            ],
            End::Commit,
        )
        .expect("a commit");
    assert_eq!(receipts.len(), 5);
    assert_eq!(rows(driver), (2, 3));
    let query = Query::new();
    let found = driver.store().find(&query).expect("entries").entries;
    let names: Vec<_> = found.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(names, ["first", "second", "third"]);
}

fn unit_is_one_statement(driver: &Driver<'_>) {
    driver.database.count_statements();
    let log = log();
    let mut unit = log.unit();
    unit.event("ordered").event("charged").event("shipped");
    let id = unit.id();
    let receipts = driver
        .run(vec![deposit(), Step::RecordUnit(unit)], End::Commit)
        .expect("a commit");
    assert_eq!(driver.number("SELECT count(*) FROM counted"), 1);
    assert_eq!(rows(driver), (1, 3));
    let query = Query::new().transaction(id);
    let found = driver.store().find(&query).expect("entries").entries;
    let written: Vec<_> = receipts.iter().filter_map(Receipt::id).collect();
    let ids: Vec<_> = found.iter().map(|entry| entry.id).collect();
    assert_eq!(written, ids);
    assert_eq!(log.stats().unrecorded, 0);
}

fn empty_unit(driver: &Driver<'_>) {
    driver.database.make_unwritable();
    let log = AuditLog::builder().before(|_| Flow::Veto).build();
    let mut unit = log.unit();
    unit.event("vetoed");
    let steps = vec![deposit(), Step::RecordUnit(unit), Step::Append(Vec::new())];
    let receipts = driver.run(steps, End::Commit).expect("nothing is written");
    assert_eq!(receipts, [Receipt::Skipped(SkipReason::Vetoed)]);
    assert_eq!(driver.number("SELECT count(*) FROM account"), 1);
}

fn odd_texts_and_repetition(driver: &Driver<'_>) {
    const ODD: [&str; 8] = [
        "\0",
        "\u{1}\u{2}\0\u{1}",
        "o'Brien \"x\" \\ $1 ?1 :a {schema}",
        "\u{1F980}\u{10FFFF}\u{202E}\u{FEFF}",
        "\\u0000 \\",
        "a\r\n\t\u{7f}\u{1b}[31m",
        "",
        "{\"a\": [1, null]}",
    ];
    let mut kept = entries(40, 3);
    for (entry, odd) in kept.iter_mut().zip(ODD.iter().cycle()) {
        entry.model = format!("Model{odd}");
        entry.object_pk = format!("{odd}{}", "x".repeat(odd.len() % 3 * 700));
        entry.object_repr = (*odd).to_owned();
        entry.reason = Some((*odd).to_owned());
        entry.action = Action::from(format!("custom {odd}"));
        entry.correlation_id = Some((*odd).to_owned());
        entry
            .additional_data
            .insert((*odd).to_owned(), (*odd).into());
        let path = Path::from_segments(&[PathSegment::Name((*odd).to_owned())]);
        entry.changes = [Change::new(path, None, Some((*odd).into()))]
            .into_iter()
            .collect();
    }
    // Some by themselves, and the others by one statement.
    let (alone, together) = kept.split_at(16);
    let alone = alone.iter().map(|entry| Step::Append(vec![entry.clone()]));
    let steps = alone.chain([Step::Append(together.to_vec())]).collect();
    driver.run(steps, End::Commit).expect("a commit");
    // Half of them once more, and twice in one statement; and one by itself.
    let again = [&kept[..20], &kept[10..20]].concat();
    let steps = vec![Step::Append(again), Step::Append(vec![kept[20].clone()])];
    driver.run(steps, End::Commit).expect("the same entries");
    kept.sort_by_key(|entry| (entry.timestamp, entry.id));
    let found = driver
        .store()
        .find(&Query::new().limit(100))
        .expect("entries");
    assert_eq!(found.entries, kept);
    let query = Query::new().object_pk("\0");
    assert_eq!(
        driver.store().find(&query).expect("entries").entries.len(),
        kept.iter().filter(|entry| entry.object_pk == "\0").count()
    );
    driver.database.check();
}

fn kept_back(driver: &Driver<'_>) {
    let log = log();
    let transaction = log.begin();
    log.event("ordered").record().expect("kept back");
    log.event("charged").record().expect("kept back");
    let id = transaction.id();
    let pending = transaction.pending().expect("its entries");
    let steps = vec![deposit(), Step::RecordPending(pending)];
    let receipts = driver.run(steps, End::Commit).expect("a commit");
    assert!(receipts.iter().all(Receipt::is_recorded));
    assert_eq!(receipts.len(), 2);
    assert_eq!(log.query().count().expect("a number"), 0);
    let query = Query::new().transaction(id);
    assert_eq!(driver.store().count(&query).expect("a number"), 2);
}
