use auditlog::Auditable;

#[derive(Auditable)]
#[audit(repr = "{name")]
struct Open {
    id: u64,
    name: String,
}

#[derive(Auditable)]
#[audit(repr = "name}")]
struct Closed {
    id: u64,
    name: String,
}

#[derive(Auditable)]
#[audit(repr = "{}")]
struct Empty {
    id: u64,
}

fn main() {}
