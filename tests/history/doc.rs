//! A document, with a change that is recorded and one that is not.

use std::collections::{BTreeMap, BTreeSet};

use auditlog::prelude::*;
use auditlog::{MissingReason, Reconstruction, testing};

#[derive(Auditable, Clone)]
pub(crate) struct Doc {
    pub(crate) id: u32,
    pub(crate) status: String,
    #[audit(key = "sku")]
    pub(crate) lines: Vec<Line>,
    pub(crate) tags: BTreeSet<String>,
    #[audit(rename = "more-tags", skip_none)]
    pub(crate) more_tags: Option<BTreeSet<String>>,
    pub(crate) notes: Vec<String>,
    pub(crate) labels: BTreeMap<String, u32>,
    #[audit(whole)]
    pub(crate) place: Place,
}

#[derive(Auditable, Clone)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) price: u32,
}

#[derive(Auditable, Clone)]
pub(crate) struct Place {
    pub(crate) city: String,
    pub(crate) zip: Option<String>,
}

pub(crate) fn doc() -> Doc {
    Doc {
        id: 9,
        status: "draft".into(),
        lines: ["A", "B", "C"]
            .map(|sku| Line {
                sku: sku.into(),
                price: 1,
            })
            .into(),
        tags: ["m", "t"].map(str::to_owned).into(),
        more_tags: Some(["m", "t"].map(str::to_owned).into()),
        notes: vec!["first".into(), "second".into()],
        labels: BTreeMap::from([("a".into(), 1)]),
        place: Place {
            city: "Bonn".into(),
            zip: None,
        },
    }
}

/// Records the creation, makes `unrecorded` of the object without an entry, and records what
/// `recorded` makes of that.
pub(crate) fn lived(unrecorded: fn(&mut Doc), recorded: fn(&mut Doc)) -> (testing::Capture, Doc) {
    let audit = testing::capture();
    auditlog::register::<Doc>();
    let mut doc = doc();
    auditlog::created(&doc).record().expect("recorded");
    unrecorded(&mut doc);
    auditlog::update(&mut doc, recorded)
        .record()
        .expect("recorded");
    (audit, doc)
}

pub(crate) fn unrecorded(state: &Reconstruction) -> Vec<&str> {
    assert_eq!(state.complete, state.missing.is_empty());
    let missing = state.missing.iter();
    missing
        .filter(|part| part.reason == MissingReason::Unrecorded)
        .map(|part| part.path.as_str())
        .collect()
}
