use auditlog::Auditable;

#[derive(Auditable, serde::Serialize)]
struct User {
    id: u64,
    #[serde(skip)]
    #[audit(mask)]
    phone: String,
}

fn main() {}
