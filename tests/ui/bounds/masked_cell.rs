use std::cell::RefCell;
use std::rc::Rc;

use auditlog::Auditable;

#[derive(Clone, PartialEq)]
struct Key(u32);

#[derive(Auditable)]
struct Vault {
    id: u32,
    #[audit(mask)]
    key: Key,
    #[audit(mask)]
    shared: Rc<RefCell<Key>>,
}

fn main() {}
