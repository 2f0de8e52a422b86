//! Requests that are refused, by reader, method, host and path, and the headers of every response.

use std::net::SocketAddr;

use audit_core::Actor;
use audit_web::{Access, BuildError, Viewer};
use http::{Method, Request, StatusCode};

use crate::sample::{Client, alice, log, own, paths, viewer};
use crate::{keep_lines, logged};

#[test]
fn a_request_without_a_reader_sees_nothing() {
    let client = viewer(log(&own()), Access::denied());
    for path in paths() {
        let answer = client.get(&path);
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert!(
            !answer.text.contains("bob") && !answer.text.contains("alice"),
            "{path}"
        );
    }
    assert_eq!(client.get("style.css").status, StatusCode::FORBIDDEN);
}

#[test]
fn a_reader_without_an_id_sees_nothing_and_the_log_says_what_to_change() {
    keep_lines();
    for id in ["", " ", "\u{200b}\t"] {
        let access = Access::reader(id).allow_export().hide_values();
        let trail = log(&own());
        let recorded = Viewer::builder(trail.clone()).authorize(move |_| access.clone());
        let client = Client {
            viewer: recorded.build().expect("a viewer"),
        };
        let before = trail.query().count().expect("a count");
        for path in paths() {
            let answer = client.get(&path);
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
            assert!(!answer.text.contains("alice"), "{path}");
        }
        assert_eq!(trail.query().count().expect("a count"), before);
        let german = client.get("search?q=&lang=de").text;
        assert!(german.contains("wer diese Seite liest"), "{german}");
    }
    let line = logged("its reader has no id");
    assert!(
        line.starts_with("ERROR") && line.contains("Access::denied()"),
        "{line}"
    );
}

#[test]
fn the_reader_is_that_of_the_request() {
    let viewer = Viewer::builder(log(&own()))
        .authorize(|request| match request.extensions.get::<Actor>() {
            Some(user) => Access::reader(user.clone()),
            None => Access::denied(),
        })
        .unrecorded()
        .build()
        .expect("a viewer");
    let client = Client { viewer };
    let request = Request::get("/search").extension(Actor::user("carol"));
    let answer = client.send(request.body(()).expect("a request"));
    assert!(answer.text.contains("<b>carol</b>"), "{}", answer.text);
    assert_eq!(client.get("search").status, StatusCode::FORBIDDEN);
}

#[test]
fn every_response_has_the_headers() {
    let client = viewer(log(&own()), alice());
    let asset = client.page("search");
    let asset = asset[asset.find("style.").expect("a link")..]
        .split('"')
        .next()
        .expect("a name")
        .to_owned();
    let denied = viewer(log(&own()), Access::denied());
    let answers = [
        client.get("search"),
        client.get("search?q=model:"),
        client.get("entry?id=1"),
        client.get("nothing"),
        client.get(""),
        client.get("export?q="),
        client.get(&asset),
        client.method(Method::POST, "/search"),
        denied.get("search"),
    ];
    for answer in answers {
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("set-cookie"), "");
        let is_asset = answer.header("content-type").starts_with("text/css");
        assert_eq!(answer.header("cache-control") == "no-store", !is_asset);
    }
}

#[test]
fn only_get_and_head_are_answered() {
    let client = viewer(log(&own()), alice());
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
    ] {
        let answer = client.method(method, "/search");
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.header("allow"), "GET, HEAD");
    }
    let get = client.get("search");
    let head = client.method(Method::HEAD, "/search");
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.text, "");
    assert_eq!(head.headers, get.headers);
    assert_eq!(head.header("content-length"), get.text.len().to_string());
}

#[test]
fn pages_that_do_not_exist_are_not_found() {
    let client = viewer(log(&own()), alice());
    for path in [
        "nothing",
        "search/",
        "search/x",
        "/search",
        "Search",
        "..",
        "../search",
        "%73earch",
        "search.json.json",
        "search.html",
        "style.css",
        "style.0000000000000000.css",
        "entry/1",
    ] {
        assert_eq!(client.get(path).status, StatusCode::NOT_FOUND, "{path}");
    }
    let long = format!("search?q={}", "x".repeat(9_000));
    assert_eq!(client.get(&long).status, StatusCode::URI_TOO_LONG);
}

#[test]
fn refusals_have_the_format_of_the_path() {
    let denied = viewer(log(&own()), Access::denied());
    let shown = viewer(log(&own()), alice());
    let cross_site = Request::get("/search.json").header("sec-fetch-site", "cross-site");
    let long = format!("search.json?q={}", "x".repeat(9_000));
    for answer in [
        denied.get("search.json"),
        shown.get("nothing.json"),
        shown.get(&long),
        shown.get("search.json?q=&q="),
        shown.method(Method::POST, "/search.json"),
        shown.send(cross_site.body(()).expect("a request")),
    ] {
        assert!(answer.status.is_client_error());
        assert_eq!(answer.header("content-type"), "application/json");
        let error: serde_json::Value = serde_json::from_str(&answer.text).expect("JSON");
        assert_eq!(error["status"], answer.status.as_u16());
    }
    let page = denied.get("search");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
}

#[test]
fn a_prefix_is_matched_exactly() {
    let build = |prefix: &str| {
        Viewer::builder(log(&own()))
            .authorize(|_| alice())
            .unrecorded()
            .prefix(prefix)
            .build()
    };
    let client = Client {
        viewer: build("/audit").expect("a viewer"),
    };
    assert!(client.page("audit/search").contains("href=\"search\""));
    for path in ["audit", "audit/"] {
        let answer = client.get(path);
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.header("location"), "/audit/search");
    }
    for path in [
        "search",
        "auditsearch",
        "audit//search",
        "Audit/search",
        "x/audit/search",
        "audix/search",
        "",
    ] {
        assert_eq!(client.get(path).status, StatusCode::NOT_FOUND, "{path}");
    }
    for prefix in [
        "",
        "audit",
        "/",
        "/audit/",
        "//evil.example",
        "/a?b",
        "/a\r\nb",
        "/\u{e9}",
    ] {
        assert!(
            matches!(build(prefix), Err(BuildError::Prefix { .. })),
            "{prefix:?}"
        );
    }
}

#[test]
fn a_router_may_remove_the_prefix() {
    let viewer = Viewer::builder(log(&own()))
        .authorize(|_| alice())
        .unrecorded()
        .mounted_at("/audit");
    let client = Client {
        viewer: viewer.build().expect("a viewer"),
    };
    client.page("search");
    assert_eq!(client.get("").header("location"), "/audit/search");
}

#[test]
fn loopback_needs_a_local_peer_and_a_local_name() {
    let viewer = Viewer::builder(log(&own()))
        .loopback_only()
        .reader("alice")
        .unrecorded();
    let client = Client {
        viewer: viewer.build().expect("a viewer"),
    };
    let status = |peer: Option<&str>, hosts: &[&str]| {
        let mut request = Request::get("/search");
        for host in hosts {
            request = request.header("host", *host);
        }
        if let Some(peer) = peer {
            request = request.extension(peer.parse::<SocketAddr>().expect("an address"));
        }
        client.send(request.body(()).expect("a request")).status
    };
    let local = Some("127.0.0.1:4000");
    for host in ["localhost", "127.0.0.1:8080", "[::1]:80"] {
        assert_eq!(status(local, &[host]), StatusCode::OK, "{host}");
    }
    assert_eq!(status(Some("[::1]:4000"), &["localhost"]), StatusCode::OK);
    assert_eq!(
        status(Some("[::ffff:127.0.0.1]:4000"), &["localhost"]),
        StatusCode::OK
    );
    for (peer, hosts) in [
        (None, &["localhost"][..]),
        (Some("10.0.0.1:4000"), &["localhost"]),
        (Some("[::ffff:10.0.0.1]:4000"), &["localhost"]),
        (local, &[]),
        (local, &["evil.example"]),
        (local, &["localhost", "evil.example"]),
        (local, &["localhost", "localhost"]),
        (local, &["localhost.evil.example"]),
        (local, &["127.0.0.1@evil.example"]),
    ] {
        assert_eq!(
            status(peer, hosts),
            StatusCode::FORBIDDEN,
            "{peer:?} {hosts:?}"
        );
    }
}

#[test]
fn a_wrong_host_is_named_as_the_reason() {
    let viewer = Viewer::builder(log(&own())).loopback_only().unrecorded();
    let client = Client {
        viewer: viewer.build().expect("a viewer"),
    };
    let page = |peer: &str, host: &str, path: &str| {
        let request = Request::get(path).header("host", host);
        let request = request.extension(peer.parse::<SocketAddr>().expect("an address"));
        let answer = client.send(request.body(()).expect("a request"));
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        answer.text
    };
    let (local, other) = ("127.0.0.1:4000", "10.0.0.1:4000");
    for host in ["audit.example", "<script>alert(1)</script>"] {
        let english = page(local, host, "/search");
        assert!(
            english.contains("The host name of this address is not"),
            "{english}"
        );
        let german = page(local, host, "/search?lang=de");
        assert!(
            german.contains("Unter dem Hostnamen dieser Adresse"),
            "{german}"
        );
        for page in [english, german] {
            assert!(!page.contains(host), "{page}");
        }
    }
    let denied = page(other, "audit.example", "/search");
    assert!(denied.contains("You do not have access"), "{denied}");
}

#[test]
fn another_site_may_open_a_page_and_not_load_it() {
    let client = viewer(log(&own()), alice());
    let status = |path: &str, headers: &[(&str, &str)]| {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        client.send(request.body(()).expect("a request")).status
    };
    let (site, mode, dest) = ("sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest");
    for path in ["/search", "/search.json", "/export?q=", "/entry?id=1"] {
        for headers in [
            &[(site, "cross-site")][..],
            &[(site, "cross-site"), (mode, "no-cors"), (dest, "image")],
            &[(site, "cross-site"), (mode, "cors"), (dest, "empty")],
            &[(site, "cross-site"), (mode, "navigate"), (dest, "iframe")],
            &[(site, "same-site"), (mode, "no-cors"), (dest, "script")],
        ] {
            let found = status(path, headers);
            assert_eq!(found, StatusCode::FORBIDDEN, "{path} {headers:?}");
        }
    }
    for headers in [
        &[][..],
        &[(site, "none"), (mode, "navigate"), (dest, "document")],
        &[(site, "same-origin"), (mode, "cors"), (dest, "empty")],
        &[(site, "cross-site"), (mode, "navigate"), (dest, "document")],
        &[(site, "cross-site"), (mode, "navigate")],
    ] {
        assert_eq!(status("/search", headers), StatusCode::OK, "{headers:?}");
    }
}

#[test]
fn the_title_is_shown_to_readers_only() {
    let viewer = |access: Access| {
        let viewer = Viewer::builder(log(&own()))
            .authorize(move |_| access.clone())
            .unrecorded()
            .prefix("/audit")
            .title("Billing of ACME\u{202e}<b>");
        Client {
            viewer: viewer.build().expect("a viewer"),
        }
    };
    let denied = viewer(Access::denied());
    for path in ["audit/search", "audit/nothing", "elsewhere", "audit"] {
        let answer = denied.get(path);
        assert!(!answer.text.contains("ACME"), "{path}: {}", answer.text);
    }
    let posted = denied.method(Method::POST, "/audit/search");
    assert!(!posted.text.contains("ACME"), "{}", posted.text);
    let shown = viewer(alice());
    for path in ["audit/search", "audit/nothing", "audit/search?q=a:b"] {
        let page = shown.get(path).text;
        assert!(page.contains("Billing of ACME"), "{path}: {page}");
        assert!(
            !page.contains('\u{202e}') && !page.contains("<b>Billing"),
            "{page}"
        );
    }
}
