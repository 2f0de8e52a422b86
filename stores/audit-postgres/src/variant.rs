//! Recognizes servers that speak PostgreSQL's protocol and are not PostgreSQL's own, and the extension Citus.

use tokio_postgres::{Error, Transaction};

/// A difference between a server and PostgreSQL's own, from [`StoreInfo::variant`](crate::StoreInfo::variant).
///
/// The store is tested with PostgreSQL's own servers only; `docs/distributed-engines.md` lists what the others
/// lack.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerVariant {
    /// Another server: its name and version, such as `CockroachDB CCL v25.2.22`.
    Other(String),
    /// PostgreSQL with the extension Citus: its version. Tables that are not distributed work as without it.
    Citus(String),
}

/// The facts by which a server is recognized.
#[derive(Clone, Copy, Debug, Default)]
struct Signs<'s> {
    /// The text of `version()`.
    version: &'s str,
    /// The setting `crdb_version`.
    cockroach: Option<&'s str>,
    /// Whether there are settings that begin with `yb_`.
    yugabyte: bool,
    /// The version of the extension `citus`.
    citus: Option<&'s str>,
}

/// The names in the catalog are the server's own, as the search path has no other schema.
const SIGNS: &str = "\
SELECT version(), current_setting('crdb_version', true),
    EXISTS (SELECT FROM pg_settings WHERE starts_with(name, 'yb_')),
    (SELECT extversion::text FROM pg_extension WHERE extname = 'citus')";

/// Parts of `version()` after which a product's version begins, and the product's name.
const PRODUCTS: [(&str, &str); 3] = [
    ("-YB-", "YugabyteDB"),
    ("(Greenplum Database ", "Greenplum"),
    (", Redshift ", "Redshift"),
];

/// Returns the variant of a server; `None` for PostgreSQL's own without Citus.
pub(crate) async fn read(transaction: &Transaction<'_>) -> Result<Option<ServerVariant>, Error> {
    let row = transaction.query_one(SIGNS, &[]).await?;
    Ok(variant(Signs {
        version: row.try_get(0)?,
        cockroach: row.try_get(1)?,
        yugabyte: row.try_get(2)?,
        citus: row.try_get(3)?,
    }))
}

fn variant(signs: Signs<'_>) -> Option<ServerVariant> {
    let other = |name: &str| Some(ServerVariant::Other(name.to_owned()));
    for text in [signs.version, signs.cockroach.unwrap_or_default()] {
        if text.starts_with("CockroachDB") {
            return other(text.split(" (").next().unwrap_or(text));
        }
    }
    for (mark, name) in PRODUCTS {
        if let Some((_, rest)) = signs.version.split_once(mark) {
            let end = rest.find([' ', ')', ',']).unwrap_or(rest.len());
            return other(&format!("{name} {}", &rest[..end]));
        }
    }
    if signs.cockroach.is_some() {
        return other("CockroachDB");
    }
    if signs.yugabyte {
        return other("YugabyteDB");
    }
    if !is_own(signs.version) {
        return other(signs.version);
    }
    signs
        .citus
        .map(|version| ServerVariant::Citus(version.to_owned()))
}

/// Returns whether a text of `version()` begins as those of PostgreSQL's own servers: the name, the version,
/// and a space.
fn is_own(version: &str) -> bool {
    let number = version
        .strip_prefix("PostgreSQL ")
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_default();
    let (digits, rest) = number.split_at(
        number
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(number.len()),
    );
    let is_pre_release = ["devel", "alpha", "beta", "rc"]
        .iter()
        .any(|prefix| rest.starts_with(prefix));
    !digits.is_empty() && (rest.is_empty() || is_pre_release)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: &str) -> Option<ServerVariant> {
        let signs = Signs {
            version,
            ..Signs::default()
        };
        variant(signs)
    }

    #[test]
    fn servers_of_postgresql_are_its_own() {
        for version in [
            "PostgreSQL 15.14 (Debian 15.14-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc \
             (Debian 12.2.0-14+deb12u1) 12.2.0, 64-bit",
            "PostgreSQL 16.4 on x86_64-pc-linux-musl, compiled by gcc (Alpine 13.2.1_git20240309) \
             13.2.1 20240309, 64-bit",
            "PostgreSQL 18beta1 on aarch64-apple-darwin24.4.0, compiled by clang, 64-bit",
            "PostgreSQL 19devel on x86_64-pc-linux-gnu, compiled by gcc, 64-bit",
        ] {
            assert_eq!(of(version), None, "{version}");
        }
    }

    #[test]
    fn other_servers_have_their_names() {
        for (version, name) in [
            (
                "CockroachDB CCL v24.3.5 (x86_64-pc-linux-gnu, built 2025/02/03 17:28:15, go1.22.8)",
                "CockroachDB CCL v24.3.5",
            ),
            (
                "PostgreSQL 15.12-YB-2.25.2.0-b0 on x86_64-pc-linux-gnu, compiled by clang version \
                 19.1.0 (https://github.com/yugabyte/llvm-project.git), 64-bit",
                "YugabyteDB 2.25.2.0-b0",
            ),
            (
                "PostgreSQL 15.12-YB-2025.2.3.2-b0",
                "YugabyteDB 2025.2.3.2-b0",
            ),
            (
                "PostgreSQL 12.12 (Greenplum Database 7.4.0 build \
                 commit:27de6dc6d00607a5630a41fd2c0ad489f40e2ad4) on x86_64-pc-linux-gnu, compiled \
                 by gcc (GCC) 8.5.0",
                "Greenplum 7.4.0",
            ),
            (
                "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 \
                 (Red Hat 3.4.2-6.fc3), Redshift 1.0.77467",
                "Redshift 1.0.77467",
            ),
            ("PostgreSQL 9.6.0-other", "PostgreSQL 9.6.0-other"),
            ("OtherDB 3.1", "OtherDB 3.1"),
        ] {
            let expected = ServerVariant::Other(name.to_owned());
            assert_eq!(of(version), Some(expected), "{version}");
        }
    }

    #[test]
    fn settings_name_a_server_that_hides_its_version() {
        let own = Signs {
            version: "PostgreSQL 15.2 on x86_64-pc-linux-gnu",
            ..Signs::default()
        };
        let other = |name: &str| Some(ServerVariant::Other(name.to_owned()));
        let cockroach = Signs {
            cockroach: Some("CockroachDB CCL v25.4.5 (x86_64-pc-linux-gnu)"),
            ..own
        };
        assert_eq!(variant(cockroach), other("CockroachDB CCL v25.4.5"));
        let yugabyte = Signs {
            yugabyte: true,
            ..own
        };
        assert_eq!(variant(yugabyte), other("YugabyteDB"));
    }

    #[test]
    fn citus_is_an_extension_of_postgresql() {
        let signs = Signs {
            version: "PostgreSQL 16.4 on x86_64-pc-linux-gnu",
            citus: Some("13.1-1"),
            ..Signs::default()
        };
        let expected = ServerVariant::Citus("13.1-1".to_owned());
        assert_eq!(variant(signs), Some(expected));
    }
}
