use auditlog::Auditable;

#[derive(Auditable)]
#[audit(bound = "T: Clone")]
struct Page<T> {
    items: Vec<T>,
}

fn main() {}
