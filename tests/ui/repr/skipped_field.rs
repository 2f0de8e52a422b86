use auditlog::Auditable;

#[derive(Auditable)]
#[audit(repr = "{name}: {token}")]
struct User {
    id: u64,
    name: String,
    #[audit(skip)]
    token: String,
}

fn main() {}
