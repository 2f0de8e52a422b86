use auditlog::Auditable;

#[derive(Auditable)]
#[audit(levels(create = "inf", delete = "loud"))]
struct User {
    id: u64,
    #[audit(level = "warnign")]
    name: String,
}

fn main() {}
