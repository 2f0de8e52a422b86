//! `tolerance` on what is neither a float nor a time.

use auditlog::Auditable;

#[derive(Auditable)]
struct Measure {
    id: u32,
    #[audit(tolerance = 0.5)]
    name: String,
    #[audit(tolerance = 0.5)]
    count: Option<u64>,
    #[audit(tolerance = "1us")]
    length: f64,
}

#[derive(Auditable)]
enum Form {
    One(#[audit(tolerance = 0.5)] String),
}

fn main() {}
