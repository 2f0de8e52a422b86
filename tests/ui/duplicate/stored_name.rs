use auditlog::Auditable;

#[derive(Auditable)]
struct User {
    id: u64,
    email: String,
    #[audit(rename = "email")]
    mail: String,
}

fn main() {}
