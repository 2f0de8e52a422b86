//! Rejects the URL of a database where a path is expected.

use std::io;
use std::path::Path;
use std::sync::Arc;

use audit_core::StoreError;

/// The keys of libpq's connection strings, by which one is recognized.
const LIBPQ: [&str; 8] = [
    "host", "hostaddr", "port", "user", "password", "dbname", "service", "sslmode",
];

/// Rejects the URL of a database as a path, unless a file has that name. The error contains the
/// scheme alone, since the text may contain a password.
pub(crate) fn reject(path: &Path) -> Result<(), StoreError> {
    let Some(text) = path.to_str().filter(|_| !path.exists()) else {
        return Ok(());
    };
    let Some(found) = database(&text.to_ascii_lowercase()) else {
        return Ok(());
    };
    Err(StoreError::Io {
        location: "the path of the store".to_owned(),
        source: Arc::new(io::Error::new(io::ErrorKind::InvalidInput, found)),
    })
}

/// Returns what a lowercase text is instead of a path, and what to do.
fn database(text: &str) -> Option<String> {
    let postgres = |what: &str| {
        format!("it is {what} of PostgreSQL, which `PostgresStore::connect` opens; name a file")
    };
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let is_url = text.split_once("://").is_some();
    match scheme {
        Some("postgres" | "postgresql") => return Some(postgres("a URL")),
        Some(scheme @ ("mysql" | "mariadb")) => {
            return Some(format!(
                "it is a URL of `{scheme}:`, for which there is no store (`audit_sqlx::mysql` writes \
                 entries there); name a file"
            ));
        }
        Some(scheme @ ("sqlite" | "sqlite3" | "file" | "jdbc")) => {
            return Some(format!(
                "it begins with `{scheme}:`; give the path of the file alone"
            ));
        }
        Some(scheme) if is_url && scheme.bytes().all(|byte| byte.is_ascii_lowercase()) => {
            return Some(format!("it is a URL of `{scheme}:`; name a file"));
        }
        _ => {}
    }
    let mut pairs = text
        .split_whitespace()
        .filter_map(|word| word.split_once('='));
    pairs
        .any(|(key, _)| LIBPQ.contains(&key))
        .then(|| postgres("a connection string"))
}
