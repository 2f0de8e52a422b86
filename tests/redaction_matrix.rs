//! A secret under every way to hide it, at every position where a value can stand, shows nowhere.
//!
//! The ways are the modules of `hidden!`, the positions the fields of `Root` there. A new way to
//! hide a value, or a new kind of value that can hold one, belongs in one of the two.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use auditlog::prelude::*;
use auditlog::sqlite::SqliteStore;
use auditlog::{Draft, Mask, RegisterOptions, Sensitive};

/// All secrets of these tests have this in them.
const SECRET: &str = "s3cr3t";

/// What the values that are not hidden have in them.
const OPEN: &str = "0pen";

fn secret(number: u32) -> String {
    format!("{SECRET}-{number}")
}

/// What is not hidden at all, to see that each output would show it.
fn open(number: u32) -> String {
    format!("{OPEN}-{number}")
}

fn hide(_: &str) -> &'static str {
    "hidden"
}

fn length(text: &str) -> usize {
    text.len()
}

/// Everything that was logged.
#[derive(Default)]
struct Listener {
    text: Mutex<String>,
}

impl Listener {
    fn text(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one of this process.
    fn start() -> &'static Self {
        static LISTENER: OnceLock<Listener> = OnceLock::new();
        LISTENER.get_or_init(|| {
            log::set_logger(&Handle).expect("no logger yet");
            log::set_max_level(log::LevelFilter::Trace);
            Listener::default()
        })
    }
}

struct Handle;

impl log::Log for Handle {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        struct Values<'t>(&'t mut String);
        impl<'kvs> log::kv::VisitSource<'kvs> for Values<'_> {
            fn visit_pair(
                &mut self,
                key: log::kv::Key<'kvs>,
                value: log::kv::Value<'kvs>,
            ) -> Result<(), log::kv::Error> {
                writeln!(self.0, "{key}={value}").map_err(log::kv::Error::boxed)
            }
        }
        let mut text = Listener::start().text();
        writeln!(text, "{} {}", record.target(), record.args()).expect("memory");
        let mut values = Values(&mut text);
        record.key_values().visit(&mut values).expect("values");
    }

    fn flush(&self) {}
}

/// What a sequence of changes leaves: each text with what it is.
#[derive(Default)]
struct Outputs(Vec<(&'static str, String)>);

impl Outputs {
    fn push(&mut self, what: &'static str, text: impl Into<String>) {
        self.0.push((what, text.into()));
    }

    fn check(&self, way: &str) {
        let showing = |word: &str| -> BTreeSet<&str> {
            let outputs = self.0.iter().filter(|(_, text)| text.contains(word));
            outputs.map(|(what, _)| *what).collect()
        };
        // The outputs that show a value where it is not hidden.
        let all = BTreeSet::from([
            "JSON",
            "blame",
            "changes",
            "context",
            "draft",
            "entry",
            "file",
            "history",
            "inverse",
            "log",
            "patch",
            "repr",
            "state",
            "tracked object",
        ]);
        let word = if way == "not_hidden" { OPEN } else { "visible" };
        assert!(
            showing(word).is_superset(&all),
            "{way}: {:?}",
            showing(word)
        );
        for (what, text) in &self.0 {
            let Some(at) = text.find(SECRET) else {
                continue;
            };
            let shown: String = text[at..].chars().take(60).collect();
            panic!("{way}: a secret is in the {what}: {shown}");
        }
    }
}

/// Records a sequence of states in a store on disk, and collects all that it leaves.
fn record_all<T: Auditable + Clone + 'static>(
    log: &AuditLog,
    states: &[T],
    extra: impl Fn(usize) -> Vec<Box<dyn Fn(Draft) -> Draft>>,
    outputs: &mut Outputs,
) {
    for (number, new) in states.iter().enumerate() {
        log.created(new).record().expect("a receipt");
        log.deleted(new).record().expect("a receipt");
        for old in states {
            let mut draft = log.updated(old, new).force();
            for add in extra(number) {
                draft = add(draft);
            }
            outputs.push("draft", format!("{draft:?}"));
            let unknown = log.updated(old, new).force().only(["nothing"]).record();
            outputs.push(
                "error",
                format!("{unknown:?} {}", unknown.as_ref().expect_err("a field")),
            );
            draft.record().expect("a receipt");

            let mut tracked = log.track(old.clone());
            *tracked = new.clone();
            outputs.push("tracked object", format!("{tracked:?} {tracked:#?}"));
            let changes = tracked.changes().unwrap();
            outputs.push("changes", format!("{changes} {changes:?}"));
            outputs.push("patch", changes.to_json_patch().to_string());
            outputs.push("inverse", format!("{:?}", changes.invert()));
            let mut other = serde_json::json!({ "plain": { "id": 77 } });
            let applied = changes.apply(&mut other);
            outputs.push("conflict", format!("{applied:?}"));
            if let Err(error) = applied {
                outputs.push("conflict", error.to_string());
            }
            drop(tracked);
        }
    }
    let key = states[0].object_pk();
    let history = log.history::<T>(key).expect("a history");
    outputs.push("history", format!("{history:?}"));
    for version in history.versions() {
        let state = history.at_version(version.number).expect("a version");
        outputs.push("state", state.state.to_string());
    }
    for blame in history.blame() {
        outputs.push("blame", format!("{blame:?}"));
    }
}

/// Asserts that what is hidden in a flattened leaf is marked as redacted, and nothing else is.
fn check_marks(way: &str, entry: &LogEntry) {
    let clear = ["not_hidden", "converted"].contains(&way);
    for change in &entry.changes {
        let path = change.path.as_str();
        let marked = match path.split('[').next() {
            Some("code") => true,
            Some("held" | "other") => !clear,
            _ => false,
        };
        let values = || [&change.old, &change.new].into_iter().flatten();
        if values().all(serde_json::Value::is_null) {
            continue;
        }
        let found = change.redaction;
        assert_eq!(
            found.is_some(),
            marked,
            "{way}: {} {change:?}",
            entry.action
        );
    }
}

macro_rules! hidden {
    ($($way:ident [$($field:tt)*] $type:ty, $make:expr, $options:expr;)*) => {$(
        mod $way {
            use super::*;

            #[derive(Auditable, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
            struct Leaf {
                id: u32,
                name: String,
                $($field)*
                held: $type,
            }

            #[derive(Auditable, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
            enum Choice {
                Empty,
                Tuple(Leaf, u32),
                One(Leaf),
                Named { inner: Leaf },
            }

            #[derive(Auditable, Clone, Debug)]
            struct Newtype(Leaf);

            #[derive(Auditable, Clone, Debug)]
            struct Nested {
                deep: Vec<BTreeMap<String, Option<Leaf>>>,
            }

            #[derive(Auditable, Clone, Debug)]
            #[audit(repr = "{id} {plain} {list} {by_leaf} {choice} {pair}")]
            struct Root {
                id: u32,
                plain: Leaf,
                nested: Nested,
                list: Vec<Leaf>,
                #[audit(key = "held")]
                keyed: Vec<Leaf>,
                #[audit(key = "id")]
                keyed_by_another: Vec<Leaf>,
                set: BTreeSet<Leaf>,
                #[audit(set)]
                list_as_set: Vec<Leaf>,
                by_name: BTreeMap<String, Leaf>,
                by_leaf: BTreeMap<Leaf, u32>,
                by_choice: BTreeMap<Choice, u32>,
                choice: Choice,
                perhaps: Option<Box<Leaf>>,
                #[audit(skip_none)]
                absent: Option<Leaf>,
                pair: (u32, Leaf),
                newtype: Newtype,
                #[audit(whole)]
                whole: Vec<Leaf>,
                #[audit(reference)]
                reference: Leaf,
                #[audit(mask)]
                masked: Leaf,
                #[audit(hash)]
                hashed: Leaf,
                #[audit(ignore)]
                ignored: Leaf,
            }

            #[derive(Auditable, Clone, Debug)]
            struct Flat {
                #[audit(id)]
                key: u32,
                #[audit(flatten)]
                leaf: Leaf,
            }

            /// A leaf flattened with a field that its own type masks.
            #[derive(Auditable, Clone, Debug)]
            struct Both {
                #[audit(mask)]
                code: u32,
                #[audit(flatten)]
                leaf: Leaf,
            }

            #[derive(Auditable, Clone, Debug)]
            struct Perhaps {
                #[audit(id)]
                key: u32,
                #[audit(flatten)]
                both: Option<Both>,
            }

            #[derive(Auditable, Clone, Debug)]
            struct Shared {
                #[audit(id)]
                key: u32,
                #[audit(flatten)]
                both: Rc<RefCell<Option<Both>>>,
            }

            fn leaf(id: u32, number: u32) -> Leaf {
                let make: fn(u32) -> $type = $make;
                Leaf { id, name: format!("visible {number}"), held: make(number) }
            }

            fn root(number: u32) -> Root {
                let leaf = |id| leaf(id, number + id % 2);
                let some = || (0..number).map(leaf);
                Root {
                    id: 1,
                    plain: leaf(1),
                    nested: Nested {
                        deep: some().map(|leaf| [("key".into(), Some(leaf))].into()).collect(),
                    },
                    list: some().collect(),
                    keyed: some().rev().collect(),
                    keyed_by_another: some().rev().collect(),
                    set: some().collect(),
                    list_as_set: some().collect(),
                    by_name: some().map(|leaf| (leaf.id.to_string(), leaf)).collect(),
                    by_leaf: some().map(|leaf| (leaf, number)).collect(),
                    by_choice: some().map(|leaf| (Choice::One(leaf), number)).collect(),
                    choice: match number {
                        0 => Choice::Empty,
                        1 => Choice::Tuple(leaf(2), 1),
                        2 => Choice::One(leaf(3)),
                        _ => Choice::Named { inner: leaf(number) },
                    },
                    perhaps: (number % 2 == 1).then(|| Box::new(leaf(4))),
                    absent: (number > 1).then(|| leaf(5)),
                    pair: (number, leaf(6)),
                    newtype: Newtype(leaf(7)),
                    whole: some().collect(),
                    reference: leaf(8),
                    masked: leaf(9),
                    hashed: leaf(10),
                    ignored: leaf(11),
                }
            }

            #[test]
            fn shows_only_what_it_may() {
                let listener = Listener::start();
                let place = tempfile::tempdir().expect("a folder");
                let log = AuditLog::builder()
                    .store(SqliteStore::open(place.path().join("audit.db")).expect("a file"))
                    .sink(LogSink::new().with_values())
                    .sink(JsonLinesSink::create(place.path().join("lines.jsonl")).expect("a file"))
                    .hash_key(1, [7; 32])
                    .build();
                log.register_with::<Root>(|o| o.snapshot(Always)).expect("options");
                log.register_with::<Flat>(|o| o.snapshot(Always)).expect("options");
                log.register_with::<Perhaps>(|o| o.snapshot(Always)).expect("options");
                let options: fn(RegisterOptions<Leaf>) -> RegisterOptions<Leaf> = $options;
                log.register_with::<Leaf>(|o| options(o.snapshot(Always))).expect("options");
                let _entered = log.enter();
                let mut outputs = Outputs::default();

                let states: Vec<Root> = (0..4).map(root).collect();
                let extra = |number: usize| -> Vec<Box<dyn Fn(Draft) -> Draft>> {
                    let number = u32::try_from(number).expect("few states");
                    vec![
                        Box::new(move |draft| draft.extra("leaf", leaf(1, number))),
                        Box::new(move |draft| draft.extra("list", vec![Some(leaf(2, number))])),
                        Box::new(move |draft| draft.extra("root", root(number))),
                        Box::new(move |draft| {
                            draft.extra("map", BTreeMap::from([(leaf(3, number), 1)]))
                        }),
                    ]
                };
                {
                    let _context = auditlog::context().extra("context", root(3)).enter();
                    outputs.push("context", format!("{:?}", auditlog::Context::current()));
                    record_all(&log, &states, extra, &mut outputs);
                }
                let flat = |number| Flat { key: 1, leaf: leaf(number, number) };
                let none = |_| Vec::new();
                record_all(&log, &[flat(0), flat(1), flat(2)], none, &mut outputs);
                let leaves: Vec<Leaf> = (0..3).map(|number| leaf(1, number)).collect();
                record_all(&log, &leaves, none, &mut outputs);

                let both = |number| Both { code: 1, leaf: leaf(number, number) };
                let perhaps = [None, Some(both(0)), Some(both(1))];
                let perhaps = perhaps.map(|both| Perhaps { key: 1, both });
                record_all(&log, &perhaps, none, &mut outputs);
                log.register_with::<Shared>(|o| o.snapshot(Always)).expect("options");
                for (old, new) in [(None, Some(both(0))), (Some(both(1)), None)] {
                    let mut shared = Shared { key: 1, both: Rc::new(RefCell::new(old)) };
                    let draft = log.update(&mut shared, |shared| {
                        shared.both.replace(new);
                    });
                    draft.record().expect("a receipt");
                }
                for model in ["Perhaps", "Shared"] {
                    let entries = log.query().model_name(model).all().expect("entries");
                    assert!(!entries.is_empty());
                    for entry in &entries {
                        check_marks(stringify!($way), entry);
                    }
                }

                outputs.push("descriptions", serde_json::to_string(&log.described()).expect("JSON"));
                for entry in log.query().all().expect("entries") {
                    outputs.push("entry", format!("{entry} {entry:?} {}", entry.changes));
                    outputs.push("repr", entry.object_repr.clone());
                    outputs.push("JSON", entry.to_canonical_json().expect("a form"));
                }
                log.shutdown().expect("durable");
                for file in std::fs::read_dir(place.path()).expect("a folder") {
                    let bytes = std::fs::read(file.expect("a file").path()).expect("a file");
                    outputs.push("file", String::from_utf8_lossy(&bytes));
                }
                outputs.push("log", listener.text().clone());
                outputs.check(stringify!($way));
            }
        }
    )*};
}

hidden! {
    not_hidden [] String, open, |o| o;
    masked [#[audit(mask)]] String, secret, |o| o;
    masked_renamed [#[audit(rename = "other", mask = "last4")]] String, secret, |o| o;
    masked_in_part [#[audit(mask = "first_half")]] String, secret, |o| o;
    masked_as_address [#[audit(mask = "email")]] String, secret, |o| o;
    masked_by_a_function [#[audit(mask_with = hide)]] String, secret, |o| o;
    masked_option [#[audit(mask)]] Option<String>, |number| Some(secret(number)), |o| o;
    masked_list [#[audit(mask)]] Vec<String>, |number| vec![secret(number)], |o| o;
    hashed [#[audit(hash)]] String, secret, |o| o;
    hashed_identity [#[audit(id, hash)]] String, secret, |o| o;
    hashed_list [#[audit(hash)]] Vec<String>, |number| vec![secret(number)], |o| o;
    skipped [#[audit(skip)]] String, secret, |o| o;
    converted [#[audit(with = length)]] String, secret, |o| o;
    sensitive [] Sensitive<String>, |number| secret(number).into(), |o| o;
    sensitive_inside [] Vec<Sensitive<String>>, |number| vec![secret(number).into()], |o| o;
    masked_at_run_time [] String, secret, |o| o.mask("held");
    masked_in_part_at_run_time [] String, secret, |o| o.mask_as("held", Mask::Last4);
    renamed_and_masked_at_run_time [#[audit(rename = "other")]] String, secret, |o| o.mask("other");
    masked_map_at_run_time [] BTreeMap<String, u32>, |number| [(secret(number), 1)].into(), |o| o.mask("held");
    excluded_at_run_time [] String, secret, |o| o.exclude("held");
    not_included_at_run_time [] String, secret, |o| o.include(["id", "name"]);
}
