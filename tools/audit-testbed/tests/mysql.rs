//! A server that is started for a test.

use std::net::TcpStream;

use audit_testbed::MysqlServer;
use libtest_mimic::{Arguments, Trial};

fn main() {
    let test = Trial::test("a_server_is_started_and_stopped", || {
        started_and_stopped();
        Ok(())
    });
    let test = test.with_ignored_flag(!MysqlServer::can_start());
    libtest_mimic::run(&Arguments::from_args(), vec![test]).exit();
}

fn started_and_stopped() {
    let server = MysqlServer::start(&[]).expect("a server");
    assert!(server.was_started());
    let address = server.url().rsplit('@').next().expect("an address");
    let address = address.trim_end_matches('/').to_owned();
    assert!(TcpStream::connect(&address).is_ok());
    let folders = || {
        let entries = std::env::temp_dir().read_dir().expect("a folder");
        let prefix = format!("audit-my-{}-", std::process::id());
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with(&prefix))
            .count()
    };
    assert_eq!(folders(), 1);
    drop(server);
    assert!(TcpStream::connect(&address).is_err());
    assert_eq!(folders(), 0);
}
