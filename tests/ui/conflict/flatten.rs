use auditlog::Auditable;
use serde::Serialize;

#[derive(Auditable, Serialize)]
struct Inner {
    x: u8,
}

#[derive(Auditable)]
struct Outer {
    id: u64,
    #[audit(flatten, mask)]
    inner: Inner,
    #[audit(whole, flatten)]
    other: Inner,
}

#[derive(Auditable, Serialize)]
struct Written {
    id: u32,
    #[serde(flatten)]
    #[audit(mask, level = "error", rename = "other")]
    inner: Inner,
}

fn main() {}
