//! The lint: finds fields that look secret and are recorded in clear.

use std::fmt;

use crate::value::auditable::Auditable;
use crate::value::model::ModelSchema;
use crate::value::redaction_rules::{RulesByModel, rules_of};
use crate::value::schema::{FieldSchema, Sensitivity};
use crate::value::schema_walk::Visited;

/// Words that name secrets, alone or joined to others (`api_key`, `userPassword`).
///
/// `tests/lint_field_names.txt` has field names of public applications with the expected results
/// of these lists.
const SECRET_WORDS: [&str; 38] = [
    "akey",
    "apikey",
    "auth",
    "bearer",
    "bic",
    "card",
    "cookie",
    "credential",
    "credentials",
    "cvc",
    "cvv",
    "iban",
    "jwt",
    "key",
    "mfa",
    "nonce",
    "otp",
    "pan",
    "passcode",
    "passphrase",
    "passport",
    "passwd",
    "password",
    "passwords",
    "pin",
    "pwd",
    "salt",
    "secret",
    "secrets",
    "seed",
    "ssn",
    "ticket",
    "token",
    "tokens",
    "totp",
    "twofactor",
    "pepper",
    "privkey",
];

/// Words that name a secret together with the preceding word (`access_code`, but not
/// `country_code`).
const SECRET_PAIRS: [(&[&str], &[&str]); 3] = [
    (
        &[
            "access",
            "activation",
            "auth",
            "authorization",
            "backup",
            "confirmation",
            "device",
            "invitation",
            "invite",
            "login",
            "recovery",
            "reset",
            "scratch",
            "security",
            "sms",
            "user",
            "verification",
        ],
        &["code", "codes"],
    ),
    (&["security"], &["stamp", "answer", "answers"]),
    (&["captcha"], &["answer"]),
];

/// Words before a secret word that name something public (`public_key`, `primary_key`).
const PUBLIC_BEFORE: [&str; 16] = [
    "cache",
    "foreign",
    "group",
    "idempotency",
    "object",
    "partition",
    "primary",
    "public",
    "pub",
    "publishable",
    "row",
    "sort",
    "space",
    "time",
    "translation",
    "unique",
];

/// Words at the end of the name of a property of a secret (`password_iterations`, `api_token_id`).
const ABOUT_AT_THE_END: [&str; 59] = [
    "age",
    "alg",
    "algorithm",
    "allowed",
    "at",
    "attempts",
    "audience",
    "brand",
    "by",
    "complexity",
    "count",
    "date",
    "disabled",
    "enabled",
    "endpoint",
    "exists",
    "expired",
    "expires",
    "expiry",
    "failures",
    "format",
    "id",
    "ids",
    "issuer",
    "iter",
    "iterations",
    "kind",
    "label",
    "len",
    "length",
    "level",
    "lifetime",
    "limit",
    "login",
    "method",
    "methods",
    "mode",
    "name",
    "on",
    "override",
    "policy",
    "prefix",
    "provider",
    "required",
    "retries",
    "scope",
    "scopes",
    "signing",
    "size",
    "state",
    "status",
    "strength",
    "ttl",
    "type",
    "types",
    "uri",
    "url",
    "uuid",
    "version",
];

/// Words at the beginning of the name of a flag or a number (`has_password`).
const ABOUT_AT_THE_BEGINNING: [&str; 17] = [
    "allow", "can", "enable", "has", "hide", "is", "max", "maximum", "min", "minimum", "must",
    "num", "require", "requires", "show", "skip", "use",
];

/// The number of findings after which a type is reported only the first time it occurs.
const MAX_REPEATED: usize = 200;

/// The reason for a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LintReason {
    /// The name of the field looks secret.
    SecretName,
    /// The field is recorded by `serde`, `display` or `debug` instead of by its type, which hides
    /// a part of it.
    HiddenByItsType,
}

/// A field that is recorded in clear and looks secret by its name or its type.
///
/// # Example: the field and the word
/// ```
/// use auditlog::Auditable;
///
/// #[derive(Auditable)]
/// struct Login {
///     id: u32,
///     session_token: String,
/// }
///
/// let findings = auditlog::lint::<Login>();
/// assert_eq!((&*findings[0].path, findings[0].word), ("session_token", "token"));
/// # let _ = Login { id: 1, session_token: String::new() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LintFinding {
    /// The model.
    pub model: &'static str,
    /// The field's path.
    pub path: String,
    /// The word in the name that looks secret, or the field inside that the type hides.
    pub word: &'static str,
    /// The reason for the finding.
    pub reason: LintReason,
}

impl fmt::Display for LintFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            model, path, word, ..
        } = self;
        match self.reason {
            LintReason::SecretName => write!(
                f,
                "`{model}.{path}` is recorded in clear and looks secret (`{word}`): add #[audit(mask)], #[audit(hash)] or #[audit(skip)], or #[audit(not_secret)] if it is not secret"
            ),
            LintReason::HiddenByItsType => write!(
                f,
                "`{model}.{path}` is recorded without the masks of its type, which hides `{word}`: remove `serde`, `display` or `debug`, or add #[audit(mask)], or #[audit(not_secret)] if it is not shown"
            ),
        }
    }
}

/// Returns the fields of a type that are recorded in clear and look secret: by their names (`password`,
/// `api_key`, `iban`, ..), or because `serde`, `display` or `debug` bypasses a type that masks, hashes or
/// skips a part of the value.
///
/// `#[audit(not_secret)]` on a field or a variant accepts a finding.
///
/// # Example: a test of a program
/// ```
/// use auditlog::Auditable;
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
///     api_key: String,
///     #[audit(mask)]
///     iban: String,
/// }
///
/// let findings = auditlog::lint::<User>();
/// assert_eq!(findings.len(), 1);
/// assert!(findings[0].to_string().contains("api_key"));
/// # let _ = User { id: 1, api_key: String::new(), iban: String::new() };
/// ```
pub fn lint<T: Auditable>() -> Vec<LintFinding> {
    lint_schema(T::schema(), &RulesByModel::new())
}

pub(crate) fn lint_schema(schema: &ModelSchema, rules: &RulesByModel) -> Vec<LintFinding> {
    let mut walk = Lint {
        model: schema.name(),
        rules,
        findings: Vec::new(),
        enclosing: Visited::default(),
        done: Visited::default(),
    };
    walk.fields(schema.fields(), "");
    walk.findings
        .retain(|finding| !crate::registry::options::is_hidden(schema, &finding.path, rules));
    walk.findings
}

/// A walk over the fields of a model that does not enter a type inside itself.
struct Lint<'r> {
    model: &'static str,
    rules: &'r RulesByModel,
    findings: Vec<LintFinding>,
    /// The types that contain the current field.
    enclosing: Visited,
    /// The types that are not entered again: those without a finding, and every type once there
    /// are many findings.
    done: Visited,
}

impl Lint<'_> {
    fn fields(&mut self, fields: &'static [FieldSchema], prefix: &str) {
        if self.done.has(fields) || !self.enclosing.enter(fields) {
            return;
        }
        let before = self.findings.len();
        for field in fields {
            self.field(field, prefix);
        }
        self.enclosing.leave(fields);
        if self.findings.len() == before || before >= MAX_REPEATED {
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
        // A newtype that hides its own value.
        let hidden = inner
            .iter()
            .any(|inner| inner.is_inline() && inner.sensitivity() != Sensitivity::Clear);
        if hidden {
            return;
        }
        if !field.not_secret {
            let finding = match (secret_word(field.name()), self.bypassed_secret(field)) {
                (_, Some(hidden)) => Some((hidden, LintReason::HiddenByItsType)),
                (Some(word), None) => Some((word, LintReason::SecretName)),
                (None, None) => None,
            };
            self.findings
                .extend(finding.map(|(word, reason)| LintFinding {
                    model: self.model,
                    path: path.clone(),
                    word,
                    reason,
                }));
        }
        match inner {
            // An accepted finding of the field covers the newtype's content too.
            [only] if field.not_secret && only.is_inline() => self.fields(only.fields(), &path),
            inner => self.fields(inner, &path),
        }
    }

    /// Returns the name of a field that the bypassed type of a field hides.
    fn bypassed_secret(&self, field: &FieldSchema) -> Option<&'static str> {
        let mut visited = Visited::default();
        let mut worklist = vec![(field.bypassed_fields(), field.name)];
        while let Some((fields, outer)) = worklist.pop() {
            if !visited.enter(fields) {
                continue;
            }
            if rules_of(self.rules, fields).is_some() {
                return Some(outer);
            }
            for inner in fields {
                // A newtype's field has no name of its own.
                let name = if inner.is_inline() { outer } else { inner.name };
                if inner.sensitivity != Sensitivity::Clear {
                    return Some(name);
                }
                worklist.push((inner.inside(), name));
                worklist.push((inner.key_fields(), name));
            }
        }
        None
    }
}

fn secret_word(name: &str) -> Option<&'static str> {
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (Some(first), Some(last)) = (words.first(), words.last()) else {
        return None;
    };
    if ABOUT_AT_THE_BEGINNING.contains(first)
        || (words.len() > 1 && ABOUT_AT_THE_END.contains(last))
        || words.contains(&"required")
    {
        return None;
    }
    let public = |at: usize| at > 0 && PUBLIC_BEFORE.contains(&words[at - 1]);
    words.iter().enumerate().find_map(|(at, word)| {
        let before = at.checked_sub(1).map(|before| words[before]);
        let alone = SECRET_WORDS.iter().find(|secret| *secret == word);
        let paired = SECRET_PAIRS.iter().find_map(|(first, second)| {
            first.contains(&before?).then_some(())?;
            second.iter().find(|secret| *secret == word)
        });
        alone.filter(|_| !public(at)).or(paired).copied()
    })
}

/// Splits a name in any case into words: `userPassword`, `user_password`, `USER-PASSWORD`.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of fields in public applications, each with a human verdict.
    const NAMES: &str = include_str!("../../tests/lint_field_names.txt");

    #[test]
    fn names_of_public_applications_are_classified() {
        let (mut wrong, mut seen) = (Vec::new(), [0; 3]);
        for line in NAMES.lines().filter(|line| !line.starts_with('#')) {
            let (name, verdict) = line.rsplit_once(' ').expect("a name and a verdict");
            let field = name.rsplit(['.', ' ']).next().expect("a field");
            let found = secret_word(field);
            let (kind, expected) = match verdict {
                "secret" => (0, true),
                "clear" => (1, false),
                // A secret that its name does not show.
                "unnamed" => (2, false),
                other => panic!("unknown verdict `{other}`"),
            };
            seen[kind] += 1;
            if found.is_some() != expected {
                wrong.push(format!("{name}: {verdict}, found {found:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(seen[0] > 50 && seen[1] > 60, "{seen:?}");
    }

    #[test]
    fn names_are_split_in_any_case() {
        for name in [
            "userPassword",
            "USER-PASSWORD",
            "user_password",
            "UserPassword",
        ] {
            assert_eq!(secret_word(name), Some("password"), "{name}");
        }
        for name in ["accessCode", "ACCESS_CODE", "Access-Code"] {
            assert_eq!(secret_word(name), Some("code"), "{name}");
        }
        for name in ["keyboard", "tokenizer", "Pinned", "countryCode", "_", ""] {
            assert_eq!(secret_word(name), None, "{name}");
        }
    }
}
