//! An order and its life, which the tests of this target read back.

use std::collections::BTreeMap;

use auditlog::prelude::*;
use auditlog::testing;
use chrono::{DateTime, TimeDelta, Utc};

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: u32,
    pub(crate) status: String,
    pub(crate) total: u64,
    #[audit(ignore)]
    pub(crate) seen: u32,
    #[audit(key = "sku")]
    pub(crate) items: Vec<Item>,
    pub(crate) notes: Vec<String>,
    pub(crate) labels: BTreeMap<String, u64>,
    pub(crate) payment: Option<Payment>,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) sku: String,
    pub(crate) count: u128,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Payment {
    Cash,
    Card { number: u64 },
    Voucher(u64),
}

pub(crate) fn order() -> Order {
    Order {
        id: 7,
        status: "new".into(),
        total: u64::MAX,
        seen: 0,
        items: vec![
            Item {
                sku: "A".into(),
                count: 1,
            },
            Item {
                sku: "B".into(),
                count: u128::MAX,
            },
        ],
        notes: vec!["first".into()],
        labels: BTreeMap::from([("a.b".into(), u64::MAX)]),
        payment: Some(Payment::Card { number: u64::MAX }),
    }
}

/// Records a life of an order, a minute a step, and returns its states.
pub(crate) fn live(audit: &testing::Capture) -> Vec<Order> {
    auditlog::register::<Order>();
    let steps: [fn(&mut Order); 4] = [
        |order| order.status = "paid".into(),
        |order| {
            let item = Item {
                sku: "C".into(),
                count: 3,
            };
            order.items.insert(0, item);
        },
        |order| {
            order.payment = Some(Payment::Voucher(u64::MAX));
            order.notes.insert(0, "before".into());
        },
        |order| order.labels.clear(),
    ];
    let mut states = vec![order()];
    auditlog::created(&states[0])
        .actor("user-0")
        .record()
        .expect("a receipt");
    for (number, step) in (1..).zip(steps) {
        audit.advance(TimeDelta::minutes(1));
        let mut next = states[number - 1].clone();
        step(&mut next);
        auditlog::updated(&states[number - 1], &next)
            .actor(format!("user-{number}"))
            .record()
            .expect("a receipt");
        states.push(next);
    }
    states
}

pub(crate) fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}
