//! The URL of a connection, with the parameters of libpq and of other programs.
//!
//! The driver parses what it knows. This reads the rest: a parameter that has a meaning here is
//! applied, one that other programs know is named in the error, and any other one is not named,
//! since the beginning of a password may have become its name.

use std::error::Error as _;
use std::path::PathBuf;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

/// The settings in a URL.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) config: Config,
    /// Whether it has an `sslmode`.
    pub(crate) has_mode: bool,
    /// The file of `sslrootcert`.
    pub(crate) root_certificates: Option<PathBuf>,
}

/// Parameters of libpq and of other programs that are refused, each with what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("schema", TRAIL_SCHEMA),
    ("currentSchema", TRAIL_SCHEMA),
    ("search_path", TRAIL_SCHEMA),
    ("sslcert", NO_CLIENT_CERTIFICATE),
    ("sslkey", NO_CLIENT_CERTIFICATE),
    ("sslpassword", NO_CLIENT_CERTIFICATE),
    ("sslidentity", NO_CLIENT_CERTIFICATE),
    ("sslcertmode", NO_CLIENT_CERTIFICATE),
    ("ssl", "write `sslmode=require`"),
    ("requiressl", "write `sslmode=require`"),
    ("tls", "write `sslmode=require`"),
    ("sslaccept", "write `sslmode=require`"),
    ("sslcrl", NOT_SUPPORTED),
    ("sslcrldir", NOT_SUPPORTED),
    ("ssl_min_protocol_version", NOT_SUPPORTED),
    ("ssl_max_protocol_version", NOT_SUPPORTED),
    ("min_protocol_version", NOT_SUPPORTED),
    ("max_protocol_version", NOT_SUPPORTED),
    ("require_auth", NOT_SUPPORTED),
    ("requirepeer", NOT_SUPPORTED),
    ("krbsrvname", NOT_SUPPORTED),
    ("gsslib", NOT_SUPPORTED),
    ("gssdelegation", NOT_SUPPORTED),
    ("replication", NOT_SUPPORTED),
    (
        "service",
        "the file of services is not read; write its settings out",
    ),
    (
        "servicefile",
        "the file of services is not read; write its settings out",
    ),
    (
        "passfile",
        "the file of passwords is not read; put the password into the URL",
    ),
    (
        "pgbouncer",
        "leave it out, and point the store at the server or at a pool with `pool_mode = session`",
    ),
    (
        "connection_limit",
        "leave it out, and set `PostgresOptions::pool_size`",
    ),
    (
        "pool_size",
        "leave it out, and set `PostgresOptions::pool_size`",
    ),
    (
        "max_connections",
        "leave it out, and set `PostgresOptions::pool_size`",
    ),
    (
        "pool_timeout",
        "leave it out, and set `PostgresOptions::pool_timeout`",
    ),
    (
        "socket_timeout",
        "leave it out, and set `PostgresOptions::statement_timeout`",
    ),
    (
        "statement_timeout",
        "leave it out, and set `PostgresOptions::statement_timeout`",
    ),
    (
        "lock_timeout",
        "leave it out, and set `PostgresOptions::lock_timeout`",
    ),
    ("statement_cache_size", "leave it out"),
    ("prepareThreshold", "leave it out"),
    ("prepared_statements", "leave it out"),
    ("serverVersion", "leave it out"),
    ("charset", "leave it out: the encoding is UTF-8"),
];

const TRAIL_SCHEMA: &str =
    "name the trail's schema with `PostgresOptions::schema`, or with `--schema` of the command";
const NO_CLIENT_CERTIFICATE: &str =
    "certificates of clients are not supported; the client authenticates with a password";
const NOT_SUPPORTED: &str = "it is not supported; leave it out";

/// Schemes that name another database.
const OTHER_SCHEMES: [&str; 12] = [
    "mysql",
    "mariadb",
    "sqlite",
    "sqlite3",
    "mssql",
    "sqlserver",
    "oracle",
    "mongodb",
    "redis",
    "file",
    "http",
    "https",
];

/// Reads a URL or a text of `key=value` pairs. The error of an invalid one contains nothing that
/// could be a part of the password.
pub(crate) fn read(text: &str) -> Result<Target, String> {
    let rest = ["postgres://", "postgresql://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let (kept, parameters) = if let Some(rest) = rest {
        // As the driver does: what is before an `@` is the login.
        let login = rest.find('@').map_or(0, |at| at + 1);
        let query = rest[login..].find('?').map(|at| login + at);
        let before = query.map_or(rest, |at| &rest[..at]);
        if before.matches('@').count() > 1 {
            // The end of the password would be taken for a host, which errors name.
            return Err("it has a second `@`; write `%40` for one in a name or password".into());
        }
        let parameters = of_url(query.map_or("", |at| &rest[at + 1..]))?;
        (format!("postgres://{before}"), parameters)
    } else {
        refuse_other(text)?;
        (String::new(), of_pairs(text)?)
    };
    let mut reading = Reading::default();
    let mut driver = Vec::new();
    for (key, value) in parameters {
        if !reading.take(&key, &value)? {
            driver.push((key, value));
        }
    }
    let config = if rest.is_some() {
        let mut url = kept;
        for (number, (key, value)) in driver.iter().enumerate() {
            let mark = if number == 0 { '?' } else { '&' };
            url.extend([
                mark.to_string(),
                encoded(key),
                "=".to_owned(),
                encoded(value),
            ]);
        }
        url.parse()
    } else {
        let pairs = driver.iter().map(|(key, value)| {
            let value = value.replace('\\', "\\\\").replace('\'', "\\'");
            format!("{key}='{value}'")
        });
        pairs.collect::<Vec<_>>().join(" ").parse()
    };
    let config = config.map_err(|error: tokio_postgres::Error| {
        match error.source().map(ToString::to_string) {
            // Named by its text, which the beginning of a password may have become.
            Some(cause) if cause.starts_with("unknown option") => {
                "it has a parameter that is unknown".to_owned()
            }
            Some(cause) => cause,
            None => error.to_string(),
        }
    })?;
    Ok(reading.into_target(config))
}

/// The parameters that the driver does not know.
#[derive(Default)]
struct Reading {
    mode: Option<SslMode>,
    root_certificates: Option<PathBuf>,
    fallback_name: Option<String>,
}

impl Reading {
    /// Takes a parameter; false if it is the driver's.
    fn take(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let invalid = |expected: &str| Err(format!("the value of `{key}` must be {expected}"));
        match key {
            "sslmode" => {
                self.mode = Some(match value {
                    "disable" => SslMode::Disable,
                    "prefer" => SslMode::Prefer,
                    // The certificate and the name in it are always checked.
                    "require" | "verify-ca" | "verify-full" => SslMode::Require,
                    "allow" => {
                        return Err(
                            "`sslmode=allow` is not supported: write `prefer` to encrypt \
                                    where the server can, or `require`"
                                .to_owned(),
                        );
                    }
                    "no-verify" => {
                        return Err("`sslmode=no-verify` is not supported, as the server's \
                                    certificate is always checked: write `require`, and name the \
                                    authority with `sslrootcert`"
                            .to_owned());
                    }
                    _ => {
                        return Err("invalid value for option `sslmode`: expected `disable`, \
                                    `prefer`, `require`, `verify-ca` or `verify-full`"
                            .to_owned());
                    }
                });
            }
            "sslrootcert" => {
                // The system's own authorities are the default.
                self.root_certificates =
                    (!value.is_empty() && value != "system").then(|| value.into());
            }
            "fallback_application_name" => self.fallback_name = Some(value.to_owned()),
            "client_encoding" => {
                let name = value.to_ascii_lowercase().replace(['-', '_'], "");
                if !["utf8", "unicode", "auto"].contains(&&*name) {
                    return invalid("`UTF8`");
                }
            }
            "gssencmode" if ["disable", "prefer"].contains(&value) => {}
            "gssencmode" => return invalid("`disable`: encryption by GSSAPI is not supported"),
            // The driver's own behaviour, or without effect in libpq too.
            "sslcompression" if value == "0" => {}
            "sslcompression" => return invalid("`0`: compression by TLS is not supported"),
            "sslsni" if value == "1" => {}
            "sslsni" => return invalid("`1`: the server's name is always sent"),
            "uselibpqcompat" => {}
            _ => {
                if let Some((_, instead)) = REFUSED.iter().find(|(known, _)| *known == key) {
                    return Err(format!("it has the parameter `{key}`: {instead}"));
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn into_target(self, mut config: Config) -> Target {
        if let Some(mode) = self.mode {
            config.ssl_mode(mode);
        }
        if let (None, Some(name)) = (config.get_application_name(), self.fallback_name) {
            config.application_name(name);
        }
        Target {
            config,
            has_mode: self.mode.is_some(),
            root_certificates: self.root_certificates,
        }
    }
}

/// Refuses what names no database of PostgreSQL. It may be a password, and so it is not shown,
/// unless it is the name of another kind of database or of a file of SQLite.
fn refuse_other(text: &str) -> Result<(), String> {
    const FORM: &str = "expected `postgres://user@host/database` or `host=.. dbname=..`";
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("it is empty; {FORM}"));
    }
    let lower = text.to_ascii_lowercase();
    if let Some((scheme, _)) = lower.split_once(':')
        && (OTHER_SCHEMES.contains(&scheme) || scheme == "jdbc")
    {
        return Err(format!("`{scheme}:` is not a URL of PostgreSQL; {FORM}"));
    }
    let is_file = [".db", ".sqlite", ".sqlite3"]
        .iter()
        .any(|end| lower.ends_with(end));
    if is_file && !text.contains(['@', '=', ':']) {
        return Err(format!(
            "`{}` looks like a file of SQLite, which `SqliteStore::open` opens; {FORM}",
            text.escape_debug()
        ));
    }
    if lower.contains("://") || !text.contains('=') {
        return Err(format!("it is not a URL of PostgreSQL; {FORM}"));
    }
    Ok(())
}

/// Returns the parameters of a URL, decoded.
fn of_url(query: &str) -> Result<Vec<(String, String)>, String> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (key, value) = part
                .split_once('=')
                .ok_or("it has a parameter without a value")?;
            Ok((decoded(key)?, decoded(value)?))
        })
        .collect()
}

/// Returns the pairs of a text, in which a value may be in quotes and a backslash precedes a
/// character that stands for itself, as in libpq.
fn of_pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let Some((key, after)) = rest.split_once('=') else {
            return Err("it has a key without a value".to_owned());
        };
        let key = key.trim();
        if key.contains(char::is_whitespace) {
            return Err("it has a key without a value".to_owned());
        }
        let after = after.trim_start();
        let quoted = after.starts_with('\'');
        let mut value = String::new();
        let mut characters = after.char_indices().skip(usize::from(quoted));
        let mut end = after.len();
        let mut closed = !quoted;
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                '\'' if quoted => {
                    (end, closed) = (at + 1, true);
                    break;
                }
                space if !quoted && space.is_whitespace() => {
                    end = at;
                    break;
                }
                character => value.push(character),
            }
        }
        if !closed {
            return Err("it has a value whose quote is not closed".to_owned());
        }
        pairs.push((key.to_owned(), value));
        rest = after[end..].trim_start();
    }
    Ok(pairs)
}

fn decoded(text: &str) -> Result<String, String> {
    let invalid = || "it has a parameter that is not encoded as in a URL".to_owned();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = after
            .get(..2)
            .and_then(|digits| str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(invalid)?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| invalid())
}

fn encoded(text: &str) -> String {
    use std::fmt::Write as _;

    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ok = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_url_shows_no_password() {
        for (url, said) in [
            ("postgres://ann:s3cr@t@h/db", "second `@`"),
            ("postgresql://ann:s3cr@t/x@h/db", "second `@`"),
            ("postgres://ann@h/db?s3cr=t", "parameter that is unknown"),
            ("postgres://ann:s3cr-h-db", "invalid"),
            ("postgres://ann:pw@h:s3cr/db", "`port`"),
            ("postgres://ann:pw@h/db?sslmode=s3cr", "`sslmode`"),
            ("password=s3cr nonsense", "key without a value"),
            ("host=h password='s3cr", "quote"),
            ("ann:s3cr@h/db", "not a URL of PostgreSQL"),
            ("s3cr", "not a URL of PostgreSQL"),
            ("mysql://ann:s3cr@h/db", "`mysql:`"),
            ("s3cr@x://h", "not a URL of PostgreSQL"),
        ] {
            let error = read(url).unwrap_err();
            assert!(error.contains(said), "{url}: {error}");
            assert!(!error.contains("s3cr"), "{url}: {error}");
        }
        assert!(read("postgres://a%40b:c%40d@h/db?application_name=a@b").is_ok());
        assert!(read("postgres://ann:a?b@h/db").is_ok());
    }

    #[test]
    fn another_kind_of_store_is_named() {
        for (text, said) in [
            ("audit.db", "`audit.db` looks like a file of SQLite"),
            ("data/trail.sqlite3", "SqliteStore::open"),
            ("mysql://h/db", "`mysql:` is not a URL"),
            ("sqlite:audit.db", "`sqlite:` is not a URL"),
            ("jdbc:postgresql://h/db", "`jdbc:` is not a URL"),
            (" ", "empty"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
            assert!(error.contains("postgres://user@host/database"), "{error}");
        }
    }

    #[test]
    fn parameters_of_other_programs_are_understood_or_named() {
        let url = |parameters: &str| read(&format!("postgres://u@h/db?{parameters}"));
        for parameters in [
            "sslmode=verify-full",
            "sslmode=verify-ca",
            "sslmode=require",
        ] {
            let target = url(parameters).unwrap();
            assert_eq!(target.config.get_ssl_mode(), SslMode::Require);
            assert!(target.has_mode);
        }
        assert!(!url("").unwrap().has_mode);
        let target = url("sslrootcert=%2Fetc%2Fca.pem&sslmode=require").unwrap();
        assert_eq!(target.root_certificates, Some("/etc/ca.pem".into()));
        let target = read("host=h sslrootcert='/etc/my ca.pem' user=o\\'hara").unwrap();
        assert_eq!(target.root_certificates, Some("/etc/my ca.pem".into()));
        assert_eq!(target.config.get_user(), Some("o'hara"));
        let target = url("sslrootcert=system").unwrap();
        assert_eq!(target.root_certificates, None);
        let target = url("fallback_application_name=x%20y").unwrap();
        assert_eq!(target.config.get_application_name(), Some("x y"));
        let target = url("fallback_application_name=x&application_name=y").unwrap();
        assert_eq!(target.config.get_application_name(), Some("y"));
        for parameters in ["client_encoding=UTF-8", "gssencmode=disable", "sslsni=1"] {
            assert!(url(parameters).is_ok(), "{parameters}");
        }
        for (parameters, said) in [
            ("sslmode=allow", "prefer"),
            ("sslmode=no-verify", "require"),
            ("client_encoding=latin1", "client_encoding"),
            ("gssencmode=require", "gssencmode"),
        ] {
            let error = url(parameters).unwrap_err();
            assert!(error.contains(said), "{parameters}: {error}");
        }
        for (known, _) in REFUSED {
            let error = url(&format!("{known}=s3cr")).unwrap_err();
            assert!(error.contains(&format!("`{known}`")), "{error}");
            assert!(!error.contains("s3cr"), "{error}");
        }
    }

    #[test]
    fn what_the_driver_knows_reaches_it_as_it_was() {
        let value = "-c search_path='a b' & 100% \\ =+?";
        let config = read(&format!("postgres://u@h:5/db?options={}", encoded(value)))
            .unwrap()
            .config;
        assert_eq!(config.get_options(), Some(value));
        assert_eq!(
            (config.get_dbname(), config.get_ports()),
            (Some("db"), &[5][..])
        );
        let pairs = format!(
            "host = h options='{}'",
            value.replace('\\', "\\\\").replace('\'', "\\'")
        );
        assert_eq!(read(&pairs).unwrap().config.get_options(), Some(value));
    }
}
