use auditlog::Auditable;

#[derive(Auditable)]
#[audit(model, version, id, only, levels, parent)]
struct User {
    id: u64,
    #[audit(label, level, key, with, tolerance)]
    name: String,
}

fn main() {}
