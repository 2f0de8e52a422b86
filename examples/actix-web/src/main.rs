//! A service with actix-web that shows its trail below `/audit` to auditors.
//!
//! `cargo run -p example-actix-web` starts it, gets pages over HTTP, checks what they show and what the
//! trail records about it, and ends.

mod adapter;
mod client;

use std::error::Error;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, HttpMessage as _, HttpServer, web};
use auditlog::prelude::*;
use auditlog::web::{Access, Viewer};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The user of a request.
#[derive(Clone)]
struct SignedIn {
    name: String,
    is_auditor: bool,
}

#[derive(Auditable, Clone)]
#[audit(repr = "{owner}")]
struct Account {
    id: u64,
    owner: String,
    balance: i64,
}

/// The authentication of the service: here the user is the header `x-user`.
async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> actix_web::Result<ServiceResponse<impl MessageBody>> {
    let user = request.headers().get("x-user");
    if let Some(name) = user.and_then(|name| name.to_str().ok()) {
        let user = SignedIn {
            name: name.to_owned(),
            is_auditor: name == "alice",
        };
        request.extensions_mut().insert(user);
    }
    next.call(request).await
}

#[actix_web::main]
async fn main() -> Outcome<()> {
    run().await
}

async fn run() -> Outcome<()> {
    let log = AuditLog::builder().store(MemoryStore::new()).build();
    log.register::<Account>();
    let mut account = Account {
        id: 42,
        owner: "Ann".to_owned(),
        balance: 100,
    };
    log.created(&account).actor("bob").record()?;
    log.update(&mut account, |account| account.balance = 70)
        .actor("bob")
        .reason("ticket 4711")
        .record()?;

    let viewer = Viewer::builder(log.clone())
        .authorize(|request| match request.extensions.get::<SignedIn>() {
            Some(user) if user.is_auditor => Access::reader(user.name.as_str()).allow_export(),
            _ => Access::denied(),
        })
        .prefix("/audit")
        .build()?;
    let streams = viewer.clone();
    let server = HttpServer::new(move || {
        let pages = web::scope("/audit")
            .app_data(web::Data::new(viewer.clone()))
            .wrap(from_fn(authenticate))
            .default_service(web::to(adapter::view));
        App::new().service(pages)
    });
    let server = server.workers(1).bind(("127.0.0.1", 0))?;
    let address = server.addrs().first().copied().ok_or("no address")?;
    let server = server.run();
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);

    // The client blocks, as programs elsewhere do.
    let asked = web::block(move || client::ask(&format!("http://{address}"))).await;
    // Otherwise the server waits for the live pages that are open.
    streams.close_streams();
    handle.stop(true).await;
    serving.await??;
    asked??;

    let views = log.query().action(Action::Access).actor("alice").all()?;
    let pages: Vec<_> = views.iter().map(|view| view.object_repr.as_str()).collect();
    println!("in the trail: {pages:?}");
    assert_eq!(views.len(), 3, "one view of a page, an export and a stream");
    log.shutdown()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #[actix_web::test]
    async fn auditors_see_the_trail() {
        super::run().await.expect("the service shows its trail");
    }
}
