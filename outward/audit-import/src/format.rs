//! The libraries whose audit tables can be read.

use std::fmt;
use std::str::FromStr;

/// A library whose audit tables can be read.
///
/// # Example: names in several spellings
/// ```
/// use audit_import::Format;
///
/// assert_eq!("Django_AuditLog".parse(), Ok(Format::DjangoAuditlog));
/// assert_eq!("papertrail".parse(), Ok(Format::PaperTrail));
/// assert_eq!(Format::PaperTrail.to_string(), "paper-trail");
/// assert!("syslog".parse::<Format>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// django-auditlog: one table of log entries.
    DjangoAuditlog,
    /// django-simple-history: a history table for each model.
    DjangoSimpleHistory,
    /// SQLAlchemy-Continuum: a version table for each model, and a table of transactions.
    SqlAlchemyContinuum,
    /// PaperTrail: tables of versions, their values in YAML or JSON.
    PaperTrail,
    /// audited: one table of audits, their changes in YAML or JSON.
    Audited,
}

impl Format {
    /// All formats, in the order of their names.
    pub const ALL: [Self; 5] = [
        Self::Audited,
        Self::DjangoAuditlog,
        Self::DjangoSimpleHistory,
        Self::PaperTrail,
        Self::SqlAlchemyContinuum,
    ];

    /// Returns the name, as `Display` prints it and `FromStr` reads it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DjangoAuditlog => "django-auditlog",
            Self::DjangoSimpleHistory => "django-simple-history",
            Self::SqlAlchemyContinuum => "sqlalchemy-continuum",
            Self::PaperTrail => "paper-trail",
            Self::Audited => "audited",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = ParseFormatError;

    /// Reads a name; case, `-`, `_`, `.` and blanks do not matter.
    fn from_str(text: &str) -> Result<Self, ParseFormatError> {
        let plain = |name: &str| -> String {
            name.chars()
                .filter(|c| !matches!(c, '-' | '_' | '.' | ' '))
                .flat_map(char::to_lowercase)
                .collect()
        };
        let wanted = plain(text);
        Self::ALL
            .into_iter()
            .find(|format| plain(format.as_str()) == wanted)
            .ok_or_else(|| ParseFormatError {
                text: text.to_owned(),
            })
    }
}

/// The text is not the name of a known library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseFormatError {
    text: String,
}

impl fmt::Display for ParseFormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown format `{}`; expected ",
            self.text.escape_debug()
        )?;
        for (number, format) in Format::ALL.iter().enumerate() {
            let comma = match number {
                0 => "",
                _ if number + 1 == Format::ALL.len() => " or ",
                _ => ", ",
            };
            write!(f, "{comma}{format}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ParseFormatError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
            assert_eq!(
                format.as_str().to_uppercase().replace('-', "_").parse(),
                Ok(format)
            );
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        assert_eq!(
            "x\n".parse::<Format>().unwrap_err().to_string(),
            "unknown format `x\\n`; expected audited, django-auditlog, django-simple-history, \
             paper-trail or sqlalchemy-continuum"
        );
    }
}
