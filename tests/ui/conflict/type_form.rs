//! A type that is recorded in another form has no use for the attributes of its fields.

use auditlog::Auditable;
use serde::{Serialize, Serializer};

#[derive(Auditable, Clone, Serialize)]
#[audit(serde, display, rename_all = "camelCase")]
struct Both {
    #[audit(mask)]
    secret: String,
}

#[derive(Auditable, Clone, Serialize)]
#[audit(serde)]
struct Entity {
    id: u32,
}

#[derive(Auditable, Clone, Serialize)]
#[serde(into = "String")]
struct Converted {
    #[audit(skip)]
    secret: String,
}

impl From<Converted> for String {
    fn from(converted: Converted) -> Self {
        converted.secret
    }
}

#[derive(Auditable, Serialize)]
enum Written {
    #[serde(serialize_with = "write")]
    Data(u8),
}

fn write<S: Serializer>(data: &u8, serializer: S) -> Result<S::Ok, S::Error> {
    data.serialize(serializer)
}

fn main() {}
