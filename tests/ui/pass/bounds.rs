use auditlog::Auditable;

use auditlog::AuditValue;
use std::marker::PhantomData;

struct Opaque;

#[derive(Auditable)]
struct Skips<T> {
    id: u64,
    #[audit(skip)]
    _skipped: T,
    #[audit(with = always)]
    with: Vec<T>,
    marker: PhantomData<T>,
}

fn always<T>(items: &Vec<T>) -> u64 {
    items.len() as u64
}

#[derive(Auditable)]
#[audit(bound = "T: Clone + AuditValue")]
struct Own<T>(T);

fn main() {
    let value = Skips { id: 1, _skipped: Opaque, with: vec![Opaque], marker: PhantomData };
    println!("{}", auditlog::snapshot(&value));
    println!("{}", auditlog::snapshot(&Own(1)));
}
