//! Encryption, with a server of the test's own and a certificate of its own authority.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use audit_core::{Query, Store, StoreError};
use audit_postgres::PostgresStore;
use audit_testbed::PostgresServer;
use audit_testkit::entries;
use libtest_mimic::Trial;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::scratch::Sql;

const NAME: &str = "tls::connections_are_encrypted_and_servers_checked";

pub(crate) fn trials() -> [Trial; 2] {
    let name = "tls::a_server_that_cannot_encrypt_gets_no_password";
    let no_password = Trial::test(name, || {
        a_server_that_cannot_encrypt_gets_no_password();
        Ok(())
    });
    [encrypted(), no_password]
}

fn encrypted() -> Trial {
    let missing = !PostgresServer::can_start();
    if missing {
        eprintln!("{NAME} is skipped: `initdb` and `pg_ctl` are not installed");
    }
    Trial::test(NAME, || {
        connections_are_encrypted_and_servers_checked();
        Ok(())
    })
    .with_ignored_flag(missing)
}

fn connections_are_encrypted_and_servers_checked() {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["db.test".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let server = PostgresServer::start(
        &[
            ("ssl", "on"),
            ("ssl_cert_file", "{folder}/server.crt"),
            ("ssl_key_file", "{folder}/server.key"),
        ],
        &[
            ("server.crt", &certificate.pem()),
            ("server.key", &key.serialize_pem()),
        ],
    )
    .expect("the programs are there");
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, authority.pem()).unwrap();

    let url = |host: &str, mode: &str| {
        format!(
            "host={host} hostaddr=127.0.0.1 port={} user=postgres dbname=postgres sslmode={mode}",
            server.port().expect("it was started")
        )
    };
    let trusting = PostgresStore::options()
        .schema("tls")
        .lock_timeout(Duration::from_secs(300))
        .statement_timeout(Duration::from_secs(300))
        .root_certificates(&roots);
    let encrypted = || {
        Sql::connect(server.url()).value(
            "SELECT string_agg(DISTINCT s.ssl::text, ' ') FROM pg_stat_ssl AS s \
             JOIN pg_stat_activity AS a USING (pid) WHERE a.application_name = 'auditlog'",
        )
    };
    for (host, mode, expected) in [
        ("db.test", "verify-full", "true"),
        ("db.test", "prefer", "true"),
        ("db.test", "require", "true"),
        ("db.test", "disable", "false"),
        ("localhost", "prefer", "false"),
    ] {
        let store = trusting.connect(&url(host, mode)).unwrap();
        store.append(&entries(5, 1)).unwrap();
        assert_eq!(store.count(&Query::new()).unwrap(), 5);
        assert_eq!(encrypted(), expected, "{host}, {mode}");
        what_is_given_up_is_cancelled(&store, server.url());
        store.close().unwrap();
        while !encrypted().is_empty() {
            thread::sleep(Duration::from_millis(5));
        }
    }
    // A name that the certificate does not have, and an untrusted authority.
    let refused = [
        trusting.connect(&url("other.test", "prefer")),
        trusting.connect(&url("localhost", "require")),
        PostgresStore::options().connect(&url("db.test", "require")),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert!(matches!(error, StoreError::Backend { .. }), "{error:?}");
        assert!(error.to_string().contains("certificate"), "{error}");
        assert!(error.to_string().contains("root_certificates"), "{error}");
    }
    let missing = trusting
        .clone()
        .root_certificates(folder.path().join("none.pem"));
    assert!(missing.connect(&url("db.test", "require")).is_err());
}

/// A server that is another machine by its name, says that it cannot encrypt, and asks for the
/// password in clear.
fn a_server_that_cannot_encrypt_gets_no_password() {
    for (mode, is_sent) in [
        ("", false),
        ("sslmode=require", false),
        ("sslmode=verify-full", false),
        ("sslmode=prefer", true),
        ("sslmode=disable", true),
    ] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || password_in_clear(&listener));
        let error = PostgresStore::options()
            .connect_timeout(Duration::from_secs(5))
            .retry_timeout(Duration::ZERO)
            .connect(&format!(
                "host=db.example hostaddr=127.0.0.1 port={port} user=app password=in-clear {mode}"
            ))
            .unwrap_err();
        assert_eq!(server.join().unwrap(), is_sent, "{mode}: {error}");
        if !is_sent {
            let said = error.to_string();
            assert!(said.contains("sslmode=disable"), "{said}");
            assert!(!said.contains("in-clear"), "{said}");
        }
    }
}

/// Serves one connection, and returns whether it received a password.
fn password_in_clear(listener: &TcpListener) -> bool {
    let (mut client, _) = listener.accept().unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut serve = || -> std::io::Result<bool> {
        let mut head = [0; 8];
        client.read_exact(&mut head)?;
        let mut length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if head[4..] == 80_877_103_u32.to_be_bytes() {
            client.write_all(b"N")?;
            let mut head = [0; 8];
            client.read_exact(&mut head)?;
            length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        }
        client.read_exact(&mut vec![0; length - 8])?;
        // AuthenticationCleartextPassword.
        client.write_all(b"R\0\0\0\x08\0\0\0\x03")?;
        let mut answer = [0; 64];
        let length = client.read(&mut answer)?;
        Ok(answer[..length].windows(8).any(|part| part == b"in-clear"))
    };
    serve().unwrap_or(false)
}

/// A question that waits for a lock would do so for much longer than this waits for its end.
fn what_is_given_up_is_cancelled(store: &PostgresStore, url: &str) {
    let (lock, sql) = (Sql::connect(url), Sql::connect(url));
    lock.run("BEGIN; LOCK TABLE tls.audit_entry IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let query = Query::new();
    let given_up = runtime.block_on(async {
        let patience = Duration::from_millis(100);
        tokio::time::timeout(patience, store.find_async(&query)).await
    });
    assert!(given_up.is_err());
    let busy = "SELECT count(*) FROM pg_stat_activity \
         WHERE application_name = 'auditlog' AND state <> 'idle'";
    let deadline = Instant::now() + Duration::from_secs(20);
    while sql.value(busy) != "0" {
        assert!(Instant::now() < deadline, "it is still busy");
        thread::sleep(Duration::from_millis(2));
    }
    lock.run("COMMIT").unwrap();
}
