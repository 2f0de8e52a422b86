//! The syntax, equality and order of paths, and parse errors.

use std::collections::HashSet;

use audit_core::{Path, PathSegment};
use proptest::prelude::*;
use serde_json::{Value, json};

fn path(text: &str) -> Path {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn name(name: &str) -> PathSegment {
    PathSegment::Name(name.to_owned())
}

fn matched(field: &str, value: impl Into<Value>) -> PathSegment {
    PathSegment::Match {
        field: field.to_owned(),
        value: value.into(),
    }
}

#[test]
fn paths_of_the_documentation_have_their_meaning() {
    let cases = [
        ("address.city", vec![name("address"), name("city")]),
        (
            "items[2].qty",
            vec![name("items"), PathSegment::Index(2), name("qty")],
        ),
        ("labels['a.b']", vec![name("labels"), name("a.b")]),
        (
            "items[sku='A1'].qty",
            vec![name("items"), matched("sku", "A1"), name("qty")],
        ),
        ("roles['admin']", vec![name("roles"), name("admin")]),
        ("orders[id=7]", vec![name("orders"), matched("id", 7)]),
        (
            "switches[on=true]",
            vec![name("switches"), matched("on", true)],
        ),
        (
            "rows[id=null]",
            vec![name("rows"), matched("id", Value::Null)],
        ),
        ("$", vec![]),
        ("[0].x", vec![PathSegment::Index(0), name("x")]),
        ("größe", vec![name("größe")]),
    ];
    for (text, segments) in cases {
        let path = path(text);
        assert_eq!(path.segments(), segments, "{text}");
        assert_eq!(path.to_string(), text);
    }
}

#[test]
fn a_path_has_several_spellings() {
    let cases = [
        ("$.a.b", "a.b"),
        ("$['a']", "['a']"),
        (r#"["a.b"]"#, "['a.b']"),
        ("a[ 'x y' ]", "a['x y']"),
        ("a[ 3 ]", "a[3]"),
        ("a[ id = 7 ]", "a[id=7]"),
        (r"a['\u0041\uD83D\uDE00']", "a['A😀']"),
        (r"a['\ud83d\ude00']", "a['😀']"),
        (r"a['\/\u000a']", r"a['/\n']"),
        (r#"a["it's"]"#, r"a['it\'s']"),
        (r#"a["\""]"#, r#"a['"']"#),
        ("a[id=1e2]", "a[id=100.0]"),
        ("a[id=-0]", "a[id=0.0]"),
    ];
    for (text, canonical) in cases {
        assert_eq!(path(text).as_str(), canonical);
        assert_eq!(path(text), path(canonical));
        assert_eq!(path(canonical), *text);
    }
    // A plain word in brackets stays there, and is the same path.
    let (dotted, bracketed) = (path("labels.env"), path("labels['env']"));
    assert_eq!(bracketed.as_str(), "labels['env']");
    assert_eq!(dotted, bracketed);
    assert_eq!(dotted, "labels['env']");
    assert_eq!("$.labels.env", bracketed);
    assert!(HashSet::from([dotted]).contains(&bracketed));
}

#[test]
fn paths_are_ordered_by_step() {
    let mut paths = [
        "items[10]",
        "items[9].qty",
        "items['x']",
        "items[sku='a']",
        "items",
        "a",
        "items[9]",
    ]
    .map(path);
    paths.sort();
    let sorted = [
        "a",
        "items",
        "items[9]",
        "items[9].qty",
        "items[10]",
        "items[sku='a']",
        "items['x']",
    ];
    assert_eq!(paths, sorted);
}

#[test]
fn a_path_is_within_its_prefixes() {
    let inside = path("labels['env'].x[0]");
    for outer in ["$", "labels", "labels.env", "labels['env']", "labels.env.x"] {
        assert!(inside.is_within(&path(outer)), "{outer}");
    }
    for other in ["label", "labels.en", "labels.env.x[1]", "labels.env.x[0].y"] {
        assert!(!inside.is_within(&path(other)), "{other}");
    }
    assert_eq!(inside.field(), "labels");
    assert_eq!(path("['a.b'].c").field(), "a.b");
    assert_eq!(Path::ROOT.field(), "$");
}

#[test]
fn errors_have_the_column() {
    let cases = [
        ("", 1, "a name"),
        ("a..b", 3, "a name"),
        ("a.", 3, "a name"),
        (".a", 1, "a name"),
        ("a b", 2, "`.` or `[`"),
        ("$a", 2, "`.` or `[`"),
        ("a[", 3, "an index, a quoted name or a name and `=`"),
        ("a[]", 3, "an index, a quoted name or a name and `=`"),
        ("a[-1]", 3, "an index, a quoted name or a name and `=`"),
        ("a[*]", 3, "an index, a quoted name or a name and `=`"),
        ("a[b]", 4, "`=`"),
        ("a[01]", 3, "an index without leading zeros"),
        ("a[9007199254740992]", 3, "an index below 2^53"),
        ("a['b'", 6, "`]`"),
        ("ä['b", 5, "a closing quote"),
        ("a['\n']", 4, "an escaped control character"),
        (r"a['\x']", 4, "a valid escape"),
        (r#"a['\"']"#, 4, "a valid escape"),
        (r"a['\u12']", 4, "four hexadecimal digits"),
        (r"a['\u+123']", 4, "four hexadecimal digits"),
        (r"a['\ud83d']", 4, "a pair of surrogates"),
        (r"a['\ude00\ud83d']", 4, "a pair of surrogates"),
        ("a[id=]", 6, "a quoted text, a number, a boolean or a null"),
        ("a[id=x]", 6, "a quoted text, a number, a boolean or a null"),
        (
            "a[id=[1]]",
            6,
            "a quoted text, a number, a boolean or a null",
        ),
    ];
    for (text, column, expected) in cases {
        let error = text.parse::<Path>().unwrap_err();
        let shown = text.escape_debug();
        assert_eq!(
            error.to_string(),
            format!("`{shown}` is not a path: expected {expected} at column {column}")
        );
        assert_eq!(error.column(), column);
    }
}

#[test]
fn long_paths_are_parsed_in_linear_time_and_truncated_in_errors() {
    let long = vec!["a"; 100_000].join(".");
    let long = path(&long);
    assert_eq!(long.segments().len(), 100_000);
    assert!(long.is_within(&path("a.a")));
    let error = format!("{long}..").parse::<Path>().unwrap_err();
    assert!(error.to_string().len() < 200);
}

#[test]
fn a_key_without_syntax_is_quoted_as_json() {
    let path = Path::from_segments(&[matched("id", json!([1, "a]"]))]);
    assert_eq!(path.as_str(), r#"[id='[1,"a]"]']"#);
    assert_eq!(path.as_str().parse::<Path>().unwrap(), path);
}

fn text() -> impl Strategy<Value = String> {
    let chars = prop_oneof![
        4 => prop::sample::select("'\"\\[].$= /~u0\u{0}\u{1f}\u{7f}\u{e9}😀a_".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ];
    proptest::collection::vec(chars, 0..8).prop_map(String::from_iter)
}

fn segment() -> impl Strategy<Value = PathSegment> {
    let scalar = prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Zero has no sign in a path.
        any::<f64>().prop_map(|number| Value::from(number + 0.0)),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    prop_oneof![
        text().prop_map(PathSegment::Name),
        (0..1usize << 53).prop_map(PathSegment::Index),
        (text(), scalar).prop_map(|(field, value)| PathSegment::Match { field, value }),
    ]
}

proptest! {
    #[test]
    fn any_segments_survive_their_text(segments in proptest::collection::vec(segment(), 0..6)) {
        let path = Path::from_segments(&segments);
        prop_assert_eq!(path.segments(), segments);
        let read: Path = path.as_str().parse().unwrap();
        prop_assert_eq!(read.as_str(), path.as_str());
        let prefixed = format!("${}{path}", if path.starts_with(['[', '$']) { "" } else { "." });
        if path.as_str() != "$" {
            prop_assert_eq!(prefixed.parse::<Path>().unwrap(), path.clone());
        }
        let stored = serde_json::to_string(&path).unwrap();
        prop_assert_eq!(serde_json::from_str::<Path>(&stored).unwrap(), path);
    }

    #[test]
    fn no_text_panics_and_what_parses_is_canonical(text in text()) {
        if let Ok(path) = text.parse::<Path>() {
            prop_assert_eq!(&path, &*text);
            let again: Path = path.as_str().parse().unwrap();
            prop_assert_eq!(again.as_str(), path.as_str());
        }
    }

    #[test]
    fn order_and_equality_agree(
        a in proptest::collection::vec(segment(), 0..3),
        b in proptest::collection::vec(segment(), 0..3),
    ) {
        let (a, b) = (Path::from_segments(&a), Path::from_segments(&b));
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    }
}
