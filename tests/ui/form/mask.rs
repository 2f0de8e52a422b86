//! A mask on a type whose values cannot be compared.

use auditlog::Auditable;

struct Opaque;

#[derive(Auditable)]
struct Masked {
    id: u32,
    #[audit(mask)]
    one: Opaque,
    #[audit(mask)]
    former: Option<Opaque>,
    #[audit(mask = "last4")]
    all: Vec<Opaque>,
    #[audit(hash)]
    token: Opaque,
}

#[derive(Auditable)]
enum Form {
    One(#[audit(mask)] Opaque),
}

fn main() {}
