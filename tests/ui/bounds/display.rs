use auditlog::Auditable;

#[derive(Auditable)]
struct Shown<T> {
    #[audit(display)]
    value: T,
}

struct Opaque;

fn main() {
    let value = Shown { value: Opaque };
    println!("{}", auditlog::snapshot(&value));
}
