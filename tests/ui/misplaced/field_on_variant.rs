use auditlog::Auditable;

#[derive(Auditable)]
enum Status {
    #[audit(skip)]
    Open,
    #[audit(mask)]
    Closed(String),
}

fn main() {}
