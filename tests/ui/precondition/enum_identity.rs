use auditlog::Auditable;

#[derive(Auditable)]
#[audit(id = "a")]
enum Container {
    A { a: u64 },
}

#[derive(Auditable)]
enum Field {
    A {
        #[audit(id)]
        a: u64,
    },
}

fn main() {}
