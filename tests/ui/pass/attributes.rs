use auditlog::Auditable;

#[derive(Auditable)]
#[audit]
#[audit()]
#[audit(model = "user", repr = "{name}",)]
struct User {
    #[audit(id,)]
    key: u64,
    #[audit(level = "WARN", alias = "a", alias = "b")]
    #[audit(label = "Name")]
    name: String,
    #[audit(skip = true)]
    _skipped: fn(),
    #[audit(eq = "PartialEq::eq")]
    quoted: String,
}

#[derive(Auditable)]
#[audit(value)]
struct Value {
    #[audit(mask)]
    id: String,
}

fn main() {
    auditlog::register::<User>();
}
