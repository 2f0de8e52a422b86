//! `display` on a field without such a text, also inside an option, a list or a box.

use auditlog::Auditable;

struct Opaque;

#[derive(Auditable)]
struct Shown {
    id: u32,
    #[audit(display)]
    one: Opaque,
    #[audit(display)]
    former: Option<u8>,
    #[audit(display)]
    all: Vec<Box<Opaque>>,
    #[audit(display, skip_none)]
    last: Option<Opaque>,
}

#[derive(Auditable)]
enum Form {
    One(#[audit(display)] Opaque),
    Two {
        #[audit(display)]
        value: Opaque,
    },
}

#[derive(Auditable)]
#[audit(display)]
struct Text(Opaque);

fn main() {}
