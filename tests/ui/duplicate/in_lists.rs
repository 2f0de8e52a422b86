use auditlog::Auditable;

#[derive(Auditable)]
#[audit(id(a, a), actions(create, create), levels(create = "info", create = "error"))]
struct User {
    a: u64,
}

fn main() {}
