use auditlog::Auditable;

#[derive(Auditable)]
#[audit(repr = "{name:?}")]
struct User {
    id: u64,
    name: String,
}

fn main() {}
