use auditlog::Auditable;

#[derive(Auditable)]
#[audit(require_reason = true)]
struct User {
    id: u64,
    #[audit(set = "yes", whole(1))]
    tags: Vec<String>,
    #[audit(skip = "no")]
    name: String,
}

fn main() {}
