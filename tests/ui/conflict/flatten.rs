use auditlog::Auditable;

#[derive(Auditable)]
struct Inner {
    x: u8,
}

#[derive(Auditable)]
struct Outer {
    id: u64,
    #[audit(flatten, mask)]
    inner: Inner,
    #[audit(whole, flatten)]
    other: Inner,
}

fn main() {}
