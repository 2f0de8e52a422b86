//! Finds fields that look secret and are recorded in clear.

use std::fmt;

use crate::auditable::Auditable;
use crate::log::AuditLog;
use crate::schema::{FieldSchema, ModelSchema, Sensitivity};
use crate::visited::Visited;

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

/// How many findings a type may have before its fields are reported at one place only.
const REPEATED: usize = 200;

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
    let mut walk = Lint {
        model: schema.name(),
        findings: Vec::new(),
        around: Visited::default(),
        done: Visited::default(),
    };
    walk.fields(schema.fields(), "");
    walk.findings
}

/// A walk over the fields of a model. A type that holds itself is not entered again.
struct Lint {
    model: &'static str,
    findings: Vec<LintFinding>,
    /// The types around the present one.
    around: Visited,
    /// The types that are not entered again: those without a finding, and all others once there
    /// are many findings.
    done: Visited,
}

impl Lint {
    fn fields(&mut self, fields: &'static [FieldSchema], prefix: &str) {
        if self.done.has(fields) || !self.around.enter(fields) {
            return;
        }
        let before = self.findings.len();
        for field in fields {
            self.field(field, prefix);
        }
        self.around.leave(fields);
        if self.findings.len() == before || before >= REPEATED {
            self.done.enter(fields);
        }
    }

    fn field(&mut self, field: &'static FieldSchema, prefix: &str) {
        if field.sensitivity() != Sensitivity::Clear {
            return;
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
            return;
        }
        if let Some(word) = secret_word(field.name()) {
            self.findings.push(LintFinding {
                model: self.model,
                path: path.clone(),
                word,
            });
        }
        self.fields(inner, &path);
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
