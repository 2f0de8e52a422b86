//! Encryption: rustls, with the certificates of the system or of a file.

use std::net::IpAddr;
use std::sync::Arc;

use audit_core::StoreError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::options::PostgresOptions;

/// Sets whether connections are encrypted: to this machine only where the URL requires it, to any
/// other one always, unless the URL has an `sslmode` that says otherwise.
pub(crate) fn resolve_mode(config: &mut Config, has_mode: bool) {
    let hosts = config.get_hosts();
    let local = if hosts.is_empty() {
        config.get_hostaddrs().iter().all(IpAddr::is_loopback)
    } else {
        hosts.iter().all(is_local)
    };
    if local && config.get_ssl_mode() == SslMode::Prefer {
        config.ssl_mode(SslMode::Disable);
    } else if !local && !has_mode {
        config.ssl_mode(SslMode::Require);
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse()
                    .is_ok_and(|address: IpAddr| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// Makes what encrypts connections. A server's certificate is always checked.
pub(crate) fn connector(
    config: &Config,
    options: &PostgresOptions,
) -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = RootCertStore::empty();
    if config.get_ssl_mode() != SslMode::Disable {
        if let Some(file) = &options.root_certificates {
            let location = file.display().to_string();
            let failed = |error: String| {
                StoreError::backend(
                    location.as_str(),
                    format!(
                        "the root certificates (`sslrootcert`, PGSSLROOTCERT or \
                         `PostgresOptions::root_certificates`) cannot be read: {error}"
                    ),
                )
            };
            let certificates = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| failed(error.to_string()))?;
            for certificate in certificates {
                let added = roots.add(certificate);
                added.map_err(|error| failed(error.to_string()))?;
            }
        } else {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                log::warn!("a root certificate of the system cannot be read: {error}");
            }
            roots.add_parsable_certificates(found.certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::backend("TLS", error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached_without_encryption() {
        let mode = |settings: &str| {
            let mut config: Config = settings.parse().unwrap();
            resolve_mode(&mut config, settings.contains("sslmode"));
            config.get_ssl_mode()
        };
        for local in [
            "host=localhost",
            "host=127.0.0.1",
            "host=::1,localhost",
            "host=/run/postgresql",
            "hostaddr=127.0.0.1",
        ] {
            assert_eq!(mode(local), SslMode::Disable, "{local}");
        }
        for remote in [
            "host=db.example",
            "host=localhost,db.example",
            "host=db.example hostaddr=127.0.0.1",
            "hostaddr=192.0.2.1",
        ] {
            assert_eq!(mode(remote), SslMode::Require, "{remote}");
        }
        assert_eq!(mode("host=localhost sslmode=require"), SslMode::Require);
        assert_eq!(mode("host=localhost sslmode=prefer"), SslMode::Disable);
        assert_eq!(mode("host=db.example sslmode=prefer"), SslMode::Prefer);
        assert_eq!(mode("host=db.example sslmode=disable"), SslMode::Disable);
    }
}
