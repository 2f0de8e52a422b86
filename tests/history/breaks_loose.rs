//! Fields with rules of their own (`tolerance`, `eq`, `ignore`, masks) break no chain.

use std::collections::BTreeMap;

use auditlog::prelude::*;
use auditlog::{ObjectRef, testing};

use crate::doc::unrecorded;

#[test]
fn fields_with_rules_of_their_own_break_nothing() {
    fn same(old: &str, new: &str) -> bool {
        old.eq_ignore_ascii_case(new)
    }

    #[derive(Auditable, Clone)]
    struct Sensor {
        id: u32,
        #[audit(tolerance = 0.1)]
        heat: f64,
        #[audit(eq = same)]
        name: String,
        #[audit(ignore)]
        seen: u32,
        #[audit(mask = "last4")]
        serial: String,
        state: u8,
    }
    let audit = testing::capture();
    auditlog::register::<Sensor>();
    let old = Sensor {
        id: 1,
        heat: 1.0,
        name: "a".into(),
        seen: 1,
        serial: "1234567".into(),
        state: 1,
    };
    auditlog::created(&old).record().expect("recorded");
    let mut now = Sensor {
        heat: 1.05,
        name: "A".into(),
        seen: 2,
        ..old
    };
    auditlog::update(&mut now, |sensor| {
        sensor.heat = 2.0;
        sensor.name = "b".into();
        sensor.seen = 3;
        sensor.serial = "7654321".into();
    })
    .record()
    .expect("recorded");
    let history = auditlog::history::<Sensor>(1).expect("a history");
    assert_eq!(unrecorded(&history.latest()), [""; 0]);
    assert_eq!(history.latest().state, auditlog::snapshot(&now));
    // Without the type the entries tell which fields these are, in a snapshot too.
    now.seen = 4;
    now.heat += 0.05;
    auditlog::baseline::<Sensor>([&now]).expect("recorded");
    now.seen = 5;
    auditlog::deleted(&now).record().expect("recorded");
    auditlog::created(&now).record().expect("recorded");
    let nameless = AuditLog::builder().store(audit.log().store()).build();
    let nameless = || {
        let history = nameless.history_of(ObjectRef::new("Sensor", "1"));
        history.expect("a history")
    };
    assert!(nameless().breaks().is_empty(), "{:?}", nameless().breaks());
    // The state itself still breaks.
    now.state = 5;
    auditlog::update(&mut now, |sensor| sensor.state = 6)
        .record()
        .expect("recorded");
    let history = auditlog::history::<Sensor>(1).expect("a history");
    assert_eq!(unrecorded(&history.latest()), ["state"]);
    assert_eq!(unrecorded(&nameless().latest()), ["state"]);
}

#[test]
fn loose_fields_are_told_wherever_they_are() {
    #[derive(Auditable, Clone)]
    struct Device {
        id: u32,
        parts: Vec<Part>,
        names: BTreeMap<String, Part>,
        at: Spot,
        label: String,
    }
    #[derive(Auditable, Clone)]
    struct Part {
        name: String,
        #[audit(ignore)]
        seen: u32,
    }
    #[derive(Auditable, Clone)]
    struct Spot(String, #[audit(tolerance = 0.5)] f64);

    let audit = testing::capture();
    auditlog::register::<Device>();
    let part = Part {
        name: "a".into(),
        seen: 1,
    };
    let device = Device {
        id: 1,
        parts: vec![part.clone()],
        names: BTreeMap::from([("b".into(), part)]),
        at: Spot("c".into(), 1.0),
        label: "d".into(),
    };
    auditlog::created(&device).record().expect("recorded");
    let loose = |at: usize| -> Vec<String> {
        let entry = &audit.entries()[at];
        let text = entry.to_canonical_json().expect("JSON");
        assert_eq!(
            *entry,
            auditlog::LogEntry::from_json(&text).expect("an entry")
        );
        let loose = entry.changes.iter().filter(|change| change.loose);
        loose.map(|change| change.path.to_string()).collect()
    };
    assert_eq!(loose(0), ["at", "names", "parts"]);
    let mut now = device.clone();
    auditlog::update(&mut now, |device| {
        device.parts[0].seen = 2;
        device.parts[0].name = "e".into();
        device.at = Spot("f".into(), 2.0);
        device.label = "g".into();
    })
    .record()
    .expect("recorded");
    assert_eq!(loose(1), ["at[1]", "parts[0].seen"]);
}
