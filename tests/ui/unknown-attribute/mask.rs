use auditlog::Auditable;

#[derive(Auditable)]
struct User {
    id: u64,
    #[audit(mask = "first-half")]
    name: String,
    #[audit(mask = "stars")]
    phone: String,
}

fn main() {}
