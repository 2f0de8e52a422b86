use auditlog::Auditable;

#[derive(Auditable)]
enum Status {
    #[audit(renam = "open")]
    Open,
    Closed,
}

fn main() {}
