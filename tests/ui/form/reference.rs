//! `reference` on what has no identity.

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
    #[audit(reference)]
    former: Vec<Address>,
    #[audit(reference)]
    age: u8,
}

fn main() {}
