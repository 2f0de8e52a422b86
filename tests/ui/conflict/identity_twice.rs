use auditlog::Auditable;

#[derive(Auditable)]
#[audit(id = "a")]
struct Twice {
    a: u64,
    #[audit(id)]
    b: u64,
}

#[derive(Auditable)]
#[audit(value)]
struct Value {
    #[audit(id)]
    a: u64,
}

fn main() {}
