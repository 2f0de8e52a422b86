//! The labels of fields, for the models that the program has registered.

use audit_core::{AuditLog, ModelSchema, Path, PathSegment};

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
            let field = fields.iter().find(|field| field.name() == name)?;
            differs |= field.label() != name;
            labels.push(field.label());
            fields = field.fields();
        }
        differs.then(|| labels.join(" › "))
    }
}
