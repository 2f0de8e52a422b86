use auditlog::Auditable;

#[derive(Auditable)]
struct User {
    id: u64,
    #[audit(skip, mask = "last4")]
    phone: String,
}

fn main() {}
