//! `debug` on a field without such a text, also inside an option, a list or a box.

use auditlog::Auditable;

struct Opaque;

#[derive(Auditable)]
struct Shown {
    id: u32,
    #[audit(debug)]
    one: Opaque,
    #[audit(debug)]
    former: Option<u8>,
    #[audit(debug)]
    all: Vec<Box<Opaque>>,
    #[audit(debug, skip_none)]
    last: Option<Opaque>,
}

#[derive(Auditable)]
enum Form {
    One(#[audit(debug)] Opaque),
    Two {
        #[audit(debug)]
        value: Opaque,
    },
}

fn main() {}
