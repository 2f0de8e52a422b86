//! Hooks before recording: they change an entry or veto it.

use auditlog::prelude::*;
use auditlog::{Flow, SkipReason};

#[test]
fn hooks_change_and_veto() {
    let log = AuditLog::builder()
        .before(|entry| {
            if entry.action == "noise" {
                return Flow::Veto;
            }
            entry.additional_data.insert("seen".into(), true.into());
            Flow::Continue
        })
        .min_level(Level::Info)
        .build();
    assert_eq!(
        log.event("noise").record().expect("a receipt"),
        Receipt::Skipped(SkipReason::Vetoed)
    );
    assert_eq!(
        log.event("quiet")
            .level(Level::Debug)
            .record()
            .expect("a receipt"),
        Receipt::Skipped(SkipReason::BelowLevel)
    );
    log.event("news").record().expect("a receipt");
    assert_eq!(
        log.query().all().expect("entries")[0].additional_data["seen"],
        true
    );
}
