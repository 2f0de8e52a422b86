//! What the attributes of the recorded form take.

use auditlog::Auditable;

#[derive(Auditable)]
#[audit(serde_skip = "recrod")]
struct Misspelt {
    id: u32,
    #[audit(serde = false)]
    plain: u8,
}

#[derive(Auditable)]
#[audit(serde_skip)]
struct Empty {
    id: u32,
    #[audit(serde = "no")]
    plain: u8,
}

#[derive(Auditable)]
#[audit(debug)]
struct Debugged {
    value: u8,
}

fn main() {}
