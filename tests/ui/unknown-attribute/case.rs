use auditlog::Auditable;

#[derive(Auditable)]
#[audit(rename_all = "camelcase")]
struct User {
    id: u64,
    first_name: String,
}

fn main() {}
