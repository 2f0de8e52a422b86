//! `serde` on a field and on a type that serde does not write.

use auditlog::Auditable;

struct Opaque;

#[derive(Auditable)]
struct Written {
    id: u32,
    #[audit(serde)]
    one: Opaque,
    #[audit(serde)]
    all: Vec<Opaque>,
}

#[derive(Auditable)]
enum Form {
    One(#[audit(serde)] Opaque),
}

#[derive(Auditable)]
#[audit(serde)]
struct Whole(u8);

fn main() {}
