use auditlog::Auditable;

#[derive(Auditable)]
#[audit(id(name, tenannt), only(nam))]
struct User {
    tenant: u64,
    name: String,
}

fn main() {}
