use auditlog::Auditable;

#[derive(Auditable)]
#[audit(modle = "user", colour = "red")]
struct User {
    id: u64,
}

fn main() {}
