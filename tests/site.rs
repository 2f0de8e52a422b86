//! The generated documentation has the pages of the facade, and the local links on these and on all pages that
//! they lead to are valid.
//!
//! It is in the folder that the variable `AUDITLOG_SITE` names. Without it, the tests are listed as ignored.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::env;
use std::fs;
use std::path::{Component, Path, PathBuf};

use html5gum::{DefaultEmitter, Token, Tokenizer};
use libtest_mimic::{Arguments, Failed, Trial};
use percent_encoding::percent_decode_str;

/// Pages of the facade that a reader looks for.
const FACADE: [&str; 12] = [
    "derive.Auditable",
    "fn.context",
    "fn.created",
    "fn.history",
    "fn.register",
    "fn.update",
    "struct.AuditLog",
    "struct.Draft",
    "struct.History",
    "struct.LogEntry",
    "struct.Query",
    "trait.Store",
];

/// Crates that ours re-export, whose pages are inside those of the facade and have links of their authors.
const FOREIGN: [&str; 2] = ["object_store", "rusqlite"];

/// Links in the documentation of other crates' blanket implementations, which each of our types has:
/// `WithSubscriber` of `tracing`.
const OF_BLANKET_IMPLEMENTATIONS: [&str; 1] = ["dispatcher#setting-the-default-subscriber"];

/// A page: its links as written, its anchors, and the page that it redirects to.
#[derive(Default)]
struct Page {
    redirect: Option<String>,
    links: Vec<String>,
    anchors: HashSet<String>,
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("UTF-8");
        let mut page = Self::default();
        let mut emitter = DefaultEmitter::default();
        // The text of a script is not markup.
        emitter.naively_switch_states(true);
        for Ok(token) in Tokenizer::new_with_emitter(&text, emitter) {
            let Token::StartTag(tag) = token else {
                continue;
            };
            for (name, value) in &tag.attributes {
                let value = String::from_utf8_lossy(value).into_owned();
                match (&tag.name[..], &name[..]) {
                    (b"a", b"href") | (b"img", b"src") => page.links.push(value),
                    (b"meta", b"content") => {
                        let url = value.split_once("URL=").map(|(_, url)| url.to_owned());
                        page.redirect = url.or(page.redirect);
                    }
                    (_, b"id") => _ = page.anchors.insert(value),
                    _ => {}
                }
            }
        }
        page
    }
}

/// Removes `.` and `..` from a path.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = normal.pop(),
            part => normal.push(part),
        }
    }
    normal
}

/// Returns whether a link leads to another site.
fn is_external(link: &str) -> bool {
    let scheme = link.split(['/', '?', '#']).next().unwrap_or_default();
    scheme.contains(':')
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Returns the file that a link leads to and the anchor in it.
fn target<'l>(page: &Path, link: &'l str) -> (PathBuf, &'l str) {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = decoded(path.split('?').next().unwrap_or_default());
    let mut file = match path.as_str() {
        "" => page.to_owned(),
        path => normal(&page.parent().expect("a folder").join(path)),
    };
    if file.is_dir() {
        file.push("index.html");
    }
    (file, anchor)
}

/// Returns whether a page has an anchor, as written or decoded. For lines of a source, it has the first and the last.
fn has_anchor(page: &Page, file: &Path, anchor: &str) -> bool {
    let is_there =
        |anchor: &str| page.anchors.contains(anchor) || page.anchors.contains(&decoded(anchor));
    let is_source = file.components().any(|part| part.as_os_str() == "src");
    let is_range = anchor.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    match anchor {
        "" => true,
        lines if is_source && is_range => lines.split('-').all(is_there),
        anchor => is_there(anchor),
    }
}

fn each_local_link_leads_somewhere(site: &Path) -> Result<(), Failed> {
    let mut next = vec![site.join("auditlog").join("index.html")];
    let mut pages: HashMap<PathBuf, Page> = HashMap::new();
    let mut links = Vec::new();
    let mut broken = BTreeSet::new();
    while let Some(path) = next.pop() {
        if pages.contains_key(&path) {
            continue;
        }
        let page = Page::read(&path);
        let is_own = !path
            .iter()
            .any(|part| FOREIGN.iter().any(|name| part == *name));
        for link in page
            .links
            .iter()
            .filter(|link| is_own && !is_external(link))
            .filter(|link| !OF_BLANKET_IMPLEMENTATIONS.contains(&link.as_str()))
        {
            let (file, anchor) = target(&path, link);
            if !file.is_file() {
                // rustdoc links a re-exported crate to a list of all items that it does not write.
                if link == "all.html" {
                    continue;
                }
                broken.insert(format!("{}: {link}: no such page", path.display()));
            } else if file.extension().is_some_and(|end| end == "html") {
                links.push((path.clone(), link.clone(), file.clone(), anchor.to_owned()));
                next.push(file);
            }
        }
        pages.insert(path, page);
    }
    for (from, link, file, anchor) in &links {
        let redirect = pages[file].redirect.as_ref();
        let file = &redirect.map_or_else(|| file.clone(), |link| target(file, link).0);
        let is_there = |page| has_anchor(page, file, anchor);
        if !pages.get(file).is_some_and(is_there) {
            broken.insert(format!("{}: {link}: no such anchor", from.display()));
        }
    }
    println!("{} links on {} pages", links.len(), pages.len());
    if pages.len() < 100 || links.len() < 10_000 {
        return Err("too few pages or links were found".into());
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(format!("{} broken links: {broken:#?}", broken.len()).into())
}

fn the_facade_has_its_pages(site: &Path) -> Result<(), Failed> {
    for name in FACADE {
        let page = site.join("auditlog").join(format!("{name}.html"));
        if !page.is_file() {
            return Err(format!("{} is missing", page.display()).into());
        }
    }
    Ok(())
}

fn main() {
    let site = env::var_os("AUDITLOG_SITE").map(PathBuf::from);
    let trial = |name: &str, test: fn(&Path) -> Result<(), Failed>| {
        let folder = site.clone().unwrap_or_default();
        Trial::test(name, move || test(&folder)).with_ignored_flag(site.is_none())
    };
    let trials = vec![
        trial(
            "each_local_link_leads_somewhere",
            each_local_link_leads_somewhere,
        ),
        trial("the_facade_has_its_pages", the_facade_has_its_pages),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
