use auditlog::Auditable;

#[derive(Auditable)]
struct User {
    id: u64,
    #[audit(model = "name", require_reason)]
    name: String,
}

fn main() {}
