//! No copy of a secret leaves the diff: every place where an entry shows is searched.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use auditlog::prelude::*;
use auditlog::sqlite::SqliteStore;
use auditlog::{Sensitive, testing};

/// All secrets of this test have this in them.
const SECRET: &str = "s3cr3t";

#[derive(Auditable, Clone, Debug)]
#[audit(repr = "{name} {pin} {card}", model = "Customer")]
struct Customer {
    id: u32,
    name: String,
    #[audit(mask)]
    pin: String,
    #[audit(mask = "last4")]
    card: String,
    #[audit(hash)]
    ssn: String,
    #[audit(mask_with = hide)]
    iban: String,
    #[audit(mask)]
    notes: Vec<String>,
    #[audit(skip)]
    password: String,
    token: Sensitive<String>,
    home: Home,
    homes: Vec<Home>,
    by_city: BTreeMap<String, Home>,
    by_name: HashMap<String, Option<Box<Home>>>,
    login: Login,
    runtime: String,
    runtime_list: Vec<String>,
}

#[derive(Auditable, Clone, Debug)]
struct Home {
    city: String,
    #[audit(mask)]
    street: String,
}

#[derive(Auditable, Clone, Debug)]
enum Login {
    None,
    Password {
        #[audit(mask)]
        hash: String,
        salt: u32,
    },
    Key(#[audit(hash)] String),
}

fn hide(_: &str) -> &'static str {
    "hidden"
}

fn secret(number: u32) -> String {
    format!("{SECRET}-{number:04}-and-more-of-it-{number:04}")
}

fn home(number: u32) -> Home {
    Home {
        city: format!("city {number}"),
        street: secret(number),
    }
}

fn customer(number: u32) -> Customer {
    Customer {
        id: 1,
        name: "Ann".into(),
        pin: secret(number),
        card: secret(number),
        ssn: secret(number),
        iban: secret(number),
        notes: vec![secret(number); 2],
        password: secret(number),
        token: Sensitive::new(secret(number)),
        home: home(number),
        homes: (0..number).map(home).collect(),
        by_city: BTreeMap::from([(format!("c{number}"), home(number))]),
        by_name: HashMap::from([("x".into(), (number > 1).then(|| Box::new(home(number))))]),
        login: match number {
            0 => Login::None,
            1 => Login::Key(secret(number)),
            _ => Login::Password {
                hash: secret(number),
                salt: number,
            },
        },
        runtime: secret(number),
        runtime_list: vec![secret(number), secret(number + 1)],
    }
}

/// Everything that anybody logged.
#[derive(Default)]
struct Listener {
    text: Mutex<String>,
}

impl Listener {
    fn text(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl log::Log for Listener {
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
        let mut text = self.text();
        writeln!(text, "{} {}", record.target(), record.args()).expect("memory");
        record
            .key_values()
            .visit(&mut Values(&mut text))
            .expect("values");
    }

    fn flush(&self) {}
}

#[test]
fn no_output_has_a_secret() {
    static LISTENER: std::sync::OnceLock<Listener> = std::sync::OnceLock::new();
    let listener = LISTENER.get_or_init(Listener::default);
    log::set_logger(listener).expect("no logger yet");
    log::set_max_level(log::LevelFilter::Trace);

    let place = tempfile::tempdir().expect("a folder");
    let lines = place.path().join("lines.jsonl");
    let log = AuditLog::builder()
        .store(SqliteStore::open(place.path().join("audit.db")).expect("a file"))
        .sink(LogSink::new().with_values())
        .sink(JsonLinesSink::create(&lines).expect("a file"))
        .build();
    log.register_with::<Customer>(|o| o.mask("runtime").mask("runtime_list").snapshot(Always))
        .expect("options");
    let _entered = log.enter();

    let mut outputs = Vec::new();
    let versions: Vec<Customer> = (0..4).map(customer).collect();
    log.created(&versions[0]).record().expect("a receipt");
    for pair in versions.windows(2) {
        let draft = log
            .updated(&pair[0], &pair[1])
            .extra("home", pair[1].home.clone());
        outputs.push(format!("{draft:?}"));
        outputs.push(format!("{:?}", draft.entry()));
        draft.record().expect("a receipt");
        // Without the registry, and so without what is masked at run time.
        let plain = |customer: &Customer| Customer {
            runtime: String::new(),
            runtime_list: Vec::new(),
            ..customer.clone()
        };
        let changes = auditlog::diff(&plain(&pair[0]), &plain(&pair[1]));
        outputs.push(format!("{changes} {changes:?} {}", changes.to_json_patch()));
        outputs.push(format!("{:?}", changes.invert()));
        outputs.push(auditlog::snapshot(&plain(&pair[1])).to_string());
        outputs.push(plain(&pair[1]).object_repr());
        let mut elsewhere = serde_json::json!({ "pin": "another" });
        outputs.push(format!("{:?}", changes.apply(&mut elsewhere)));
    }
    log.deleted(&versions[3]).record().expect("a receipt");
    drop(Tracked::new(versions[1].clone()));
    let mut forgotten = Tracked::new(versions[1].clone());
    forgotten.pin = secret(9);
    drop(forgotten);
    log.shutdown().expect("durable");

    for entry in log.query().all().expect("entries") {
        outputs.push(format!("{entry} {entry:?} {}", entry.changes));
        outputs.push(entry.to_canonical_json().expect("a form"));
    }
    outputs.push(listener.text().clone());
    for file in std::fs::read_dir(place.path()).expect("a folder") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("a file");
        outputs.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    assert!(
        outputs.iter().any(|output| output.contains("city 3")),
        "there is something to find"
    );
    for output in outputs {
        let at = output.find(SECRET);
        assert!(
            at.is_none(),
            "a secret is in {}",
            &output[at.unwrap_or(0).saturating_sub(300)..]
        );
    }
}

#[test]
fn what_is_masked_alike_is_still_a_change() {
    let audit = testing::capture();
    auditlog::register::<Customer>();
    let (old, mut new) = (customer(2), customer(2));
    new.pin = secret(5);
    auditlog::updated(&old, &new).record().expect("a receipt");
    let entry = audit.last().expect("an entry");
    assert_eq!(entry.changes.len(), 1);
    assert_eq!(entry.changes["pin"].old, entry.changes["pin"].new);
    // A skipped field is not a change at all.
    let mut skipped = customer(2);
    skipped.password = secret(6);
    let receipt = auditlog::updated(&old, &skipped)
        .record()
        .expect("a receipt");
    assert_eq!(receipt, Receipt::Unchanged);
}
