//! The page that a request names, its format and its parameters.

use http::HeaderMap;
use http::header::{ACCEPT, HeaderName};
use http::request::Parts;
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use crate::error::Failure;
use crate::html::{Link, href};
use crate::pages::FIELDS;
use crate::terms::quoted;
use crate::texts::{self, Language, Selected};

/// The longest query string of a URL, in bytes.
pub(crate) const MAX_QUERY_STRING: usize = 8 * 1024;

/// The end of the path of a page as JSON.
const JSON_SUFFIX: &str = ".json";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A page of the viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Search,
    Live,
    /// The stream of the page `Live`, which is no page.
    Events,
    Entry,
    Object,
    Compare,
    Blame,
    Aggregate,
    Actor,
    Transaction,
    Correlation,
    Overview,
    Export,
    Schema,
    Trust,
    Help,
}

/// Every page.
pub(crate) const ROUTES: [Route; 16] = [
    Route::Search,
    Route::Live,
    Route::Events,
    Route::Entry,
    Route::Object,
    Route::Compare,
    Route::Blame,
    Route::Aggregate,
    Route::Actor,
    Route::Transaction,
    Route::Correlation,
    Route::Overview,
    Route::Export,
    Route::Schema,
    Route::Trust,
    Route::Help,
];

impl Route {
    /// Returns the name of the page in URLs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Live => "live",
            Self::Events => "events",
            Self::Entry => "entry",
            Self::Object => "object",
            Self::Compare => "compare",
            Self::Blame => "blame",
            Self::Aggregate => "aggregate",
            Self::Actor => "actor",
            Self::Transaction => "transaction",
            Self::Correlation => "correlation",
            Self::Overview => "overview",
            Self::Export => "export",
            Self::Schema => "schema",
            Self::Trust => "trust",
            Self::Help => "help",
        }
    }

    fn named(name: &str) -> Option<Self> {
        ROUTES.into_iter().find(|route| route.name() == name)
    }
}

/// The format of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Html,
    Json,
}

/// A request for a page.
#[derive(Clone, Debug)]
pub(crate) struct PageRequest {
    pub(crate) route: Route,
    pub(crate) format: Format,
    pub(crate) params: Params,
    /// The id of the last event that a client of a live stream has received.
    pub(crate) last_event: Option<Uuid>,
}

impl PageRequest {
    /// Reads the path below the viewer's prefix, without its first `/`, and the query string.
    /// Returns `None` if there is no such page.
    ///
    /// # Errors
    /// Returns an error if a parameter occurs more than once, or is a condition beside `q`.
    pub(crate) fn read(
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Option<Self>, Failure> {
        let (name, format) = match path.strip_suffix(JSON_SUFFIX) {
            Some(name) => (name, Format::Json),
            None => (path, accepted_format(headers)),
        };
        let Some(route) = Route::named(name) else {
            return Ok(None);
        };
        let params = Params::read(query.unwrap_or_default())?;
        check_conditions(route, &params)?;
        // A browser sends the header when it reconnects, and the script the parameter after a pause.
        let header = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
        let last_event = header.or_else(|| params.get("last"));
        let last_event = last_event.and_then(|id| id.parse().ok());
        Ok(Some(Self {
            route,
            format,
            params,
            last_event,
        }))
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Returns the links to the page in the other languages.
    pub(crate) fn language_links(&self) -> Vec<(Language, Link)> {
        let mut others: Vec<_> = Language::ALL.into_iter().collect();
        others.retain(|language| *language != texts::language());
        let link = |language: Language| {
            let mut params: Vec<_> = self.params.iter().collect();
            params.retain(|(name, _)| *name != texts::PARAM);
            params.push((texts::PARAM, language.code()));
            (language, href(self.route.name(), &params))
        };
        others.into_iter().map(link).collect()
    }

    /// Returns the link to the page as JSON. A form of fields is not a page.
    pub(crate) fn json_link(&self) -> Link {
        let params: Vec<_> = self.params.iter().collect();
        href(&format!("{}.json", self.route.name()), &params)
    }
}

/// Returns the language of a request.
pub(crate) fn language(parts: &Parts) -> Selected {
    let query = parts.uri.query().unwrap_or_default();
    let mut params = form_urlencoded::parse(query.as_bytes());
    let param = params.find(|(name, _)| name == texts::PARAM);
    Selected::of(param.as_ref().map(|(_, value)| &**value), &parts.headers)
}

/// Returns the format of a request: that of the path, else that of the headers.
pub(crate) fn format(parts: &Parts) -> Format {
    if parts.uri.path().ends_with(JSON_SUFFIX) {
        Format::Json
    } else {
        accepted_format(&parts.headers)
    }
}

/// Returns JSON if the client accepts it and not HTML.
fn accepted_format(headers: &HeaderMap) -> Format {
    let accepts = |kind: &str| {
        let mut values = headers.get_all(ACCEPT).iter();
        values.any(|value| value.to_str().is_ok_and(|value| value.contains(kind)))
    };
    if accepts("application/json") && !accepts("text/html") {
        Format::Json
    } else {
        Format::Html
    }
}

/// Returns whether a browser sends the request on behalf of another site, other than by opening
/// the page: as an image, a script, a frame or a fetch, which would record a view that the reader
/// has not seen.
///
/// Browsers set the headers since 2023, and pages cannot change them
/// ([Fetch Metadata](https://www.w3.org/TR/fetch-metadata/)).
pub(crate) fn is_embedded_elsewhere(headers: &HeaderMap) -> bool {
    let is = |name: &str, values: &[&str]| {
        let mut found = headers.get_all(name).iter();
        found.any(|value| values.iter().any(|wanted| value == wanted))
    };
    let is_foreign = is("sec-fetch-site", &["cross-site", "same-site"]);
    // A navigation without a destination is that of a window.
    let is_opened = is("sec-fetch-mode", &["navigate"])
        && (is("sec-fetch-dest", &["document"]) || !headers.contains_key("sec-fetch-dest"));
    is_foreign && !is_opened
}

/// The conditions and options of the query language that are no parameters of a page with `q`.
const CONDITIONS: [&str; 17] = [
    "model",
    "object",
    "parent",
    "actor",
    "action",
    "changed",
    "changed_from",
    "changed_to",
    "outcome",
    "level",
    "correlation",
    "transaction",
    "since",
    "until",
    "text",
    "limit",
    "order",
];

/// Returns an error for a condition that is a parameter of its own: the page would have the entries that do not
/// satisfy it, too. The form of the search sends its fields so, with the parameter `fields`.
fn check_conditions(route: Route, params: &Params) -> Result<(), Failure> {
    use Route::{Events, Export, Live, Overview, Search};
    if !matches!(route, Search | Live | Events | Overview | Export) {
        return Ok(());
    }
    let is_form = route == Search && params.get("fields").is_some();
    let is_misplaced = |name: &str, value: &str| {
        let is_field = is_form && FIELDS.contains(&name);
        CONDITIONS.contains(&name) && !is_field && !value.is_empty()
    };
    let mut params = params.iter();
    match params.find(|(name, value)| is_misplaced(name, value)) {
        None => Ok(()),
        Some((name, value)) => {
            let mut value = shortened(value);
            if value.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\\' | '(' | ')')) {
                value = quoted(&value);
            }
            Err(Failure::Parameter {
                name: name.to_owned().into(),
                message: format!("is a condition, which belongs in `q`: q={name}:{value}"),
            })
        }
    }
}

/// The parameters of a URL, each at most once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string. Of a repeated parameter, the page and the record of its view could
    /// contain different values, so it is an error. One that is not UTF-8 would search for another
    /// text than the one in the URL.
    fn read(query: &str) -> Result<Self, Failure> {
        let mut params: Vec<(String, String)> = Vec::new();
        let is_utf8 = |part: &&str| percent_decode_str(part).decode_utf8().is_ok();
        if let Some(pair) = query.split('&').find(|pair| !is_utf8(pair)) {
            let name = pair.split('=').next().unwrap_or_default();
            let name = form_urlencoded::parse(name.as_bytes()).next();
            let name = name.map(|(name, _)| name).unwrap_or_default();
            return Err(Failure::Parameter {
                name: shortened(&name).into(),
                message: "is not valid UTF-8".to_owned(),
            });
        }
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if params.iter().any(|(other, _)| *other == name) {
                return Err(Failure::Parameter {
                    name: shortened(&name).into(),
                    message: "occurs more than once".to_owned(),
                });
            }
            if params.len() == MAX_PARAMS {
                return Err(Failure::Url("The URL has more than 50 parameters."));
            }
            params.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(params))
    }

    /// Returns the value of a parameter, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.value(name).filter(|value| !value.is_empty())
    }

    /// Returns the value of a parameter, which may be empty.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns a parameter that the page needs.
    pub(crate) fn require(&self, name: &'static str) -> Result<&str, Failure> {
        self.get(name).ok_or_else(|| Failure::Parameter {
            name: name.into(),
            message: "is missing".to_owned(),
        })
    }

    /// Returns a parameter as a value of another type, described by `expected` in an error.
    pub(crate) fn parsed<T: std::str::FromStr>(
        &self,
        name: &'static str,
        expected: &str,
    ) -> Result<Option<T>, Failure> {
        self.get(name)
            .map(|text| {
                text.trim().parse().map_err(|_| Failure::Parameter {
                    name: name.into(),
                    message: format!("must be {expected}, not `{}`", shortened(text)),
                })
            })
            .transpose()
    }

    /// Returns the pairs, for the record of the view.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// The highest number of parameters. A page has at most 12.
const MAX_PARAMS: usize = 50;

/// Returns the beginning of a text from a URL, for an error.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use audit_core::Query;

    use super::*;

    /// A key that the language gets later belongs here, too.
    #[test]
    fn each_key_of_the_language_is_a_condition_or_a_parameter() {
        let error = Query::parse("zzzzzzzz:x")
            .expect_err("no such key")
            .to_string();
        let (_, keys) = error.split_once("expected one of ").expect("the keys");
        let keys = keys.split([';', '\n']).next().unwrap_or_default();
        let keys: Vec<&str> = keys.split(", ").collect();
        assert!(keys.contains(&"model") && keys.len() > 10, "{error}");
        for key in &keys {
            // Pages have the cursor as a parameter.
            assert!(CONDITIONS.contains(key) || *key == "after", "{key}");
        }
        assert!(CONDITIONS.iter().all(|condition| keys.contains(condition)));
        assert!(FIELDS.iter().all(|field| CONDITIONS.contains(field)));
    }
}
