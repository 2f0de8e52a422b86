use auditlog::Auditable;

#[derive(Auditable)]
#[audit(actions(create, delet), levels(updat = "info"))]
struct User {
    id: u64,
}

fn main() {}
