use auditlog::Auditable;

#[derive(Auditable)]
#[audit(mask = "last4", skip)]
struct User {
    id: u64,
}

fn main() {}
