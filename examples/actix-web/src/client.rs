//! Requests to the service.

use std::io::{BufRead as _, BufReader};

use ureq::Agent;
use ureq::http::Response;

use crate::Outcome;

/// Gets pages as an auditor, as another user and without one.
pub(crate) fn ask(service: &str) -> Outcome<()> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .into();
    let get = |path: &str, user: Option<&str>| -> Outcome<Response<ureq::Body>> {
        let mut request = agent.get(format!("{service}{path}"));
        if let Some(user) = user {
            request = request.header("x-user", user);
        }
        let response = request.call()?;
        println!("GET {path} by {user:?}: {}", response.status());
        Ok(response)
    };
    assert_eq!(get("/audit/search", None)?.status(), 403);
    assert_eq!(get("/audit/search", Some("mallory"))?.status(), 403);
    let first = get("/audit", Some("alice"))?;
    assert!(first.status().is_redirection(), "{}", first.status());

    let mut page = get("/audit/search", Some("alice"))?;
    assert_eq!(page.status(), 200);
    assert!(page.headers().contains_key("content-security-policy"));
    let text = page.body_mut().read_to_string()?;
    assert!(
        text.contains("ticket 4711") && text.contains("Ann"),
        "{text}"
    );

    let mut export = get("/audit/export?q=model:Account&as=csv", Some("alice"))?;
    let text = export.body_mut().read_to_string()?;
    assert_eq!(
        text.lines().count(),
        5,
        "a heading and four changes: {text}"
    );

    // A stream has no end: its first event is read.
    let stream = get("/audit/events.json?q=model:Account", Some("alice"))?;
    let mut lines = BufReader::new(stream.into_body().into_reader()).lines();
    let event = lines.find(|line| line.as_ref().map_or(true, |line| line.starts_with("data:")));
    let event = event.ok_or("the stream has no event")??;
    assert!(event.contains("\"object_pk\":\"42\""), "{event}");
    Ok(())
}
