use auditlog::Auditable;

#[derive(Auditable)]
struct User {
    id: u64,
    #[audit(hash, skip)]
    ssn: String,
    #[audit(level = "error", skip)]
    name: String,
    #[audit(skip, set)]
    tags: Vec<String>,
}

fn main() {}
