use auditlog::Auditable;

#[derive(Auditable)]
struct User {
    id: u64,
    #[audit(alias = "name", alias = "id")]
    email: String,
    name: String,
}

fn main() {}
