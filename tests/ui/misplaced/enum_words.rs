use auditlog::Auditable;

#[derive(Auditable)]
#[audit(only(a), transparent)]
enum Status {
    Open,
}

#[derive(Auditable)]
#[audit(rename_all_fields = "camelCase")]
struct User {
    id: u64,
}

fn main() {}
