//! Pages in the language of the reader.

use http::Request;

use crate::sample::{Answer, Client, alice, change, entry, foreign, log, own, paths, viewer};

/// Texts of entries that are also English texts of pages.
const STORED: [&str; 2] = ["denied", "success"];

/// Returns the English texts that have another text in German.
fn english() -> Vec<&'static str> {
    let file = include_str!("../../src/texts/de.txt");
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(" => "));
    let texts = pairs.filter(|(english, german)| english != german);
    texts
        .map(|(english, _)| english)
        .filter(|english| !STORED.contains(english))
        .collect()
}

fn client() -> Client {
    // An object that is older than its first entry.
    let mut older = entry(5, "update", "User", "44", "alice");
    older.changes = [change("email", Some("a@x".into()), Some("b@x".into()))]
        .into_iter()
        .collect();
    viewer(log(&[own(), foreign(), vec![older]].concat()), alice())
}

fn get(client: &Client, path: &str, languages: &str) -> Answer {
    let request = Request::get(format!("/{path}")).header("accept-language", languages);
    client.send(request.body(()).expect("a request"))
}

/// Returns the texts between the tags of a page.
fn texts(page: &str) -> impl Iterator<Item = &str> {
    let pieces = page.split('<').filter_map(|piece| piece.split_once('>'));
    pieces
        .map(|(_, text)| text.trim_matches(|c: char| c.is_whitespace() || "←→·.,:".contains(c)))
        .filter(|text| !text.is_empty())
}

/// Returns the values of the attributes of a page whose names begin with a text.
fn attributes<'p>(page: &'p str, name: &str) -> Vec<&'p str> {
    let start = format!(" {name}");
    let found = page.split(&start).skip(1);
    found
        .filter_map(|rest| {
            let (name, rest) = rest.split_once("=\"")?;
            let is_rest = name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            (name.is_empty() || start.ends_with('-') && is_rest).then(|| rest.split('"').next())?
        })
        .collect()
}

#[test]
fn german_pages_have_no_english_text() {
    let client = client();
    let english = english();
    let (mut shown, mut values) = (0, 0);
    let others = [
        "nothing",
        "entry?id=1",
        "search?q=model:",
        "object?model=User&key=44",
        "trust?check=yes",
    ];
    let parameters: Vec<_> = (0..51).map(|number| format!("p{number}=1")).collect();
    let paths = paths().into_iter().chain(others.map(str::to_owned));
    let paths = paths.chain([format!("search?{}", parameters.join("&"))]);
    for path in paths.filter(|path| !path.starts_with("export")) {
        let page = get(&client, &path, "de-DE,de;q=0.9,en;q=0.5").text;
        assert!(page.contains("<html lang=\"de\">"), "{path}");
        for text in texts(&page) {
            let ends = [text.to_owned(), format!("{text}."), format!("{text}:")];
            let found = ends.iter().find(|text| english.contains(&text.as_str()));
            assert_eq!(found, None, "{path}: {page}");
            shown += 1;
        }
        // Also the texts of the script, which are attributes whose names begin with `data-`.
        for name in ["title", "aria-label", "placeholder", "data-"] {
            for value in attributes(&page, name) {
                assert!(!english.contains(&value), "{path}: {name}: {value}");
                values += 1;
            }
        }
    }
    assert!(shown > 1_000 && values > 300, "{shown}, {values}");
}

/// Returns the name of the attribute for a property of `dataset`: `data-keys-on` for `keysOn`.
fn attribute_of(property: &str) -> String {
    let parts = property.chars().map(|c| match c {
        'A'..='Z' => format!("-{}", c.to_ascii_lowercase()),
        _ => c.to_string(),
    });
    format!(" data-{}=", parts.collect::<String>())
}

#[test]
fn each_page_has_the_texts_of_the_script() {
    let script = include_str!("../../src/assets/script.js");
    let page = client().get("help").text;
    let mut found = 0;
    for start in ["texts.", "text('", "say('", "stop('"] {
        for rest in script.split(start).skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic());
            let attribute = attribute_of(&rest[..end.expect("the end of the name")]);
            assert!(page.contains(&attribute), "the script lacks{attribute}");
            found += 1;
        }
    }
    assert!(found > 10, "only {found} texts were found");
}

#[test]
fn a_language_in_the_url_stays_in_the_links_and_forms() {
    let client = client();
    for path in ["search?q=", "object?model=User&key=42", "live?q=", "help"] {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = get(&client, &format!("{path}{separator}lang=de"), "en").text;
        assert!(page.contains("<html lang=\"de\">"), "{path}");
        for link in page.split(" href=\"").skip(1) {
            let link = link.split('"').next().expect("a link");
            let is_file = ["style.", "script.", "icon.", "#"]
                .iter()
                .any(|start| link.starts_with(start));
            assert!(is_file || link.contains("lang="), "{path}: {link}");
            assert!(link.matches("lang=").count() <= 1, "{path}: {link}");
        }
        let forms = page.matches("<form").count();
        let fields = page.matches("<input type=\"hidden\" name=\"lang\" value=\"de\">");
        assert_eq!(fields.count(), forms, "{path}");
    }
    let form = client.get("search?fields=1&model=User&lang=de");
    assert_eq!(form.header("location"), "search?q=model:User&lang=de");
    assert_eq!(client.get("?lang=de").header("location"), "search?lang=de");
}

#[test]
fn each_page_links_to_itself_in_the_other_language() {
    let client = client();
    let page = get(&client, "search?q=model:User&lang=de", "de").text;
    assert!(page.contains("href=\"search?q=model:User&amp;lang=en\" lang=\"en\""));
    let page = get(&client, "search?q=model:User", "fr").text;
    assert!(page.contains("<html lang=\"en\">"));
    assert!(page.contains("href=\"search?q=model:User&amp;lang=de\" lang=\"de\""));
}

#[test]
fn numbers_and_dates_are_those_of_the_language() {
    let client = client();
    let page = get(&client, "search?q=", "de").text;
    assert!(page.contains("Donnerstag, 1. Januar 2026"), "{page}");
    let page = get(&client, "actor?id=alice", "de").text;
    assert!(page.contains("1.1.2026, 11:00:00 UTC"), "{page}");
    let json = get(&client, "search.json?q=", "de").text;
    assert_eq!(json, get(&client, "search.json?q=", "en").text);
}
