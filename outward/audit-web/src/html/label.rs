//! The labels of fields, for the models that the program has registered.

use audit_core::{AuditLog, FieldSchema, ModelSchema, Path, PathSegment};

use crate::conceal::MAX_DEPTH;

/// The labels of registered models.
pub(crate) struct Labels {
    schemas: Vec<&'static ModelSchema>,
}

impl Labels {
    pub(crate) fn of(log: &AuditLog) -> Self {
        Self {
            schemas: log.registered(),
        }
    }

    /// Returns the names of the registered models.
    pub(crate) fn models(&self) -> impl Iterator<Item = &'static str> {
        self.schemas.iter().map(|schema| schema.name())
    }

    /// Returns the labels along a path; `None` if they are the names, or if the path has a step that
    /// has none.
    pub(crate) fn label(&self, model: &str, path: &Path) -> Option<String> {
        let schema = self.schemas.iter().find(|schema| schema.name() == model)?;
        let mut fields = schema.fields();
        let mut labels = Vec::new();
        let mut differs = false;
        for segment in path.segments() {
            let PathSegment::Name(name) = segment else {
                return None;
            };
            let field = named(fields, &name, 0)?;
            differs |= field.label() != name;
            labels.push(field.label());
            fields = field.fields();
        }
        differs.then(|| labels.join(" › "))
    }
}

/// Returns the field with a name, which can be one of a flattened field.
fn named(fields: &'static [FieldSchema], name: &str, depth: usize) -> Option<&'static FieldSchema> {
    fields.iter().find_map(|field| {
        if field.is_inline() {
            let inner = (depth < MAX_DEPTH).then(|| field.fields())?;
            named(inner, name, depth + 1)
        } else {
            (field.name() == name).then_some(field)
        }
    })
}

#[cfg(test)]
mod tests {
    use audit_derive::Auditable;

    use super::*;

    #[test]
    fn the_fields_of_a_flattened_field_have_labels() {
        #[derive(Auditable)]
        #[audit(crate = audit_core)]
        struct Address {
            #[audit(label = "Town")]
            city: String,
        }

        #[derive(Auditable)]
        #[audit(crate = audit_core)]
        struct User {
            #[audit(label = "Number")]
            id: u32,
            #[audit(flatten)]
            address: Address,
        }

        let log = AuditLog::builder().build();
        log.register::<User>();
        let labels = Labels::of(&log);
        let label = |path: &str| labels.label("User", &path.parse().expect("a path"));
        assert_eq!(label("id").as_deref(), Some("Number"));
        assert_eq!(label("city").as_deref(), Some("Town"));
        assert_eq!(label("address"), None);
    }
}
