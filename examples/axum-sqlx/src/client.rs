//! Requests to the service.

use ureq::Agent;

use crate::Outcome;

/// Opens an account and pays from it, once more than it has, and once without a name.
pub(crate) fn ask(service: &str) -> Outcome<()> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let post = |path: &str, actor: Option<&str>, id: &str, body: &str| -> Outcome<u16> {
        let mut request = agent
            .post(format!("{service}{path}"))
            .header("content-type", "application/json")
            .header("x-request-id", id);
        if let Some(actor) = actor {
            request = request.header("x-actor", actor);
        }
        let status = request.send(body)?.status().as_u16();
        println!("POST {path} {body} by {actor:?}: {status}");
        Ok(status)
    };
    let account = r#"{"id": 42, "owner": "Ann", "balance": 100}"#;
    assert_eq!(post("/accounts", Some("alice"), "req-1", account)?, 201);
    let pay = "/accounts/42/payments";
    assert_eq!(post(pay, Some("bob"), "req-2", r#"{"amount": 30}"#)?, 200);
    assert_eq!(post(pay, Some("bob"), "req-3", r#"{"amount": 71}"#)?, 409);
    assert_eq!(post(pay, None, "req-4", r#"{"amount": 1}"#)?, 401);

    let shown = agent
        .get(format!("{service}/accounts/42"))
        .header("x-actor", "carol")
        .call()?
        .into_body()
        .read_to_string()?;
    println!("GET /accounts/42: {shown}");
    assert!(shown.contains("\"balance\":70"), "{shown}");
    Ok(())
}
