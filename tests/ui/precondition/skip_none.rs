use auditlog::Auditable;

#[derive(Auditable)]
struct User {
    id: u64,
    #[audit(skip_none)]
    name: String,
}

fn main() {}
