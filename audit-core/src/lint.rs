//! Finds fields that look secret and are recorded in clear.

use std::fmt;

use crate::auditable::Auditable;
use crate::log::AuditLog;
use crate::schema::{FieldSchema, ModelSchema, Sensitivity};

/// Words that name secrets, alone or joined to others (`api_key`, `userPassword`).
const SECRET_WORDS: [&str; 26] = [
    "apikey",
    "auth",
    "bic",
    "card",
    "credential",
    "credentials",
    "cvc",
    "cvv",
    "iban",
    "key",
    "mfa",
    "otp",
    "pan",
    "passcode",
    "passphrase",
    "passport",
    "passwd",
    "password",
    "pin",
    "private",
    "pwd",
    "salt",
    "secret",
    "seed",
    "ssn",
    "token",
];

/// How deep fields are looked at; recursive types have no end.
const DEPTH: usize = 8;

/// A field that looks secret by its name and is recorded in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LintFinding {
    /// The model.
    pub model: &'static str,
    /// The field's path.
    pub path: String,
    /// The word in its name that looks secret.
    pub word: &'static str,
}

impl fmt::Display for LintFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}.{}` is recorded in clear and looks secret (`{}`): add #[audit(mask)], #[audit(hash)] or #[audit(skip)]",
            self.model, self.path, self.word
        )
    }
}

/// Returns the fields of a type that look secret by their names (`password`, `api_key`,
/// `iban`, ..) and are recorded in clear.
///
/// For a test: `assert!(auditlog::lint::<User>().is_empty())`.
pub fn lint<T: Auditable>() -> Vec<LintFinding> {
    lint_schema(T::schema())
}

/// Looks at all types that are registered with the current log as [`lint`] does at one.
pub fn lint_registered() -> Vec<LintFinding> {
    AuditLog::current()
        .registered()
        .into_iter()
        .flat_map(lint_schema)
        .collect()
}

fn lint_schema(schema: &ModelSchema) -> Vec<LintFinding> {
    let mut findings = Vec::new();
    walk(schema.name(), schema.fields(), "", DEPTH, &mut findings);
    findings
}

fn walk(
    model: &'static str,
    fields: &[FieldSchema],
    prefix: &str,
    depth: usize,
    findings: &mut Vec<LintFinding>,
) {
    for field in fields {
        if field.sensitivity() != Sensitivity::Clear || depth == 0 {
            continue;
        }
        let path = match (field.is_inline(), prefix) {
            (true, prefix) => prefix.to_owned(),
            (false, "") => field.name().to_owned(),
            (false, prefix) => format!("{prefix}.{}", field.name()),
        };
        let inner = field.fields();
        // A newtype hides its value itself.
        let hidden = inner
            .iter()
            .any(|inner| inner.is_inline() && inner.sensitivity() != Sensitivity::Clear);
        if hidden {
            continue;
        }
        if let Some(word) = secret_word(field.name()) {
            findings.push(LintFinding {
                model,
                path: path.clone(),
                word,
            });
        }
        walk(model, inner, &path, depth - 1, findings);
    }
}

fn secret_word(name: &str) -> Option<&'static str> {
    let words = words(name);
    SECRET_WORDS
        .into_iter()
        .find(|secret| words.iter().any(|word| word == secret))
}

/// The words of a name in any case: `userPassword`, `user_password`, `USER-PASSWORD`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower) {
            words.push(String::new());
        }
        lower = c.is_lowercase();
        if c.is_alphanumeric() {
            let last = words.len() - 1;
            words[last].extend(c.to_lowercase());
        }
    }
    words
}
