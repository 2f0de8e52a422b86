use auditlog::Auditable;

#[derive(Auditable)]
#[audit(transparent)]
struct Pair {
    a: u8,
    b: u8,
}

#[derive(Auditable)]
#[audit(transparent)]
struct Unit;

fn main() {}
