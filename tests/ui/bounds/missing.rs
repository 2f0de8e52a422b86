use auditlog::Auditable;

#[derive(Auditable)]
struct Page<T> {
    items: Vec<T>,
}

struct Opaque;

fn main() {
    let page = Page { items: vec![Opaque] };
    println!("{}", auditlog::snapshot(&page));
}
