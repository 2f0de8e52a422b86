use auditlog::Auditable;

#[derive(Auditable)]
#[audit(rename_all = "lowercase")]
enum Status {
    Open,
    OPEN,
}

fn main() {}
