use auditlog::Auditable;
use serde::{Serialize, Serializer};

#[derive(Auditable)]
struct User {
    id: u64,
    #[audit(display, debug)]
    name: String,
    #[audit(set, key = "sku")]
    items: Vec<String>,
    #[audit(whole, key = "sku")]
    lines: Vec<String>,
}

#[derive(Auditable, Serialize)]
struct Written {
    id: u64,
    #[audit(key = "sku")]
    #[serde(serialize_with = "write")]
    items: Vec<String>,
    #[audit(key = "0", serde = false)]
    #[serde(serialize_with = "write")]
    lines: Vec<(String,)>,
    #[audit(flatten)]
    #[serde(serialize_with = "write")]
    rest: Vec<String>,
}

fn write<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.serialize(serializer)
}

fn main() {}
