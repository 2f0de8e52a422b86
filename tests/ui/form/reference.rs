use auditlog::Auditable;

#[derive(Auditable)]
struct Address {
    city: String,
}

#[derive(Auditable)]
struct User {
    id: u64,
    #[audit(reference)]
    address: Address,
}

fn main() {}
