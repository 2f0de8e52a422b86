//! The frame of every page.

use audit_core::Actor;
use http::StatusCode;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::link::{Link, href};
use super::text::{plain, safe, short};
use crate::assets::{ICON, SCRIPT, STYLE};
use crate::request::Route;
use crate::texts::{self, Language, t};

/// The texts and links around the content of a page.
#[derive(Default)]
pub(crate) struct Frame<'f> {
    /// The title of the viewer.
    pub(crate) title: &'f str,
    /// The reader; `None` on the page of a request without one.
    pub(crate) reader: Option<&'f Actor>,
    pub(crate) is_unrestricted: bool,
    pub(crate) is_recorded: bool,
    pub(crate) route: Option<Route>,
    /// The link to the page as JSON, if it has that form.
    pub(crate) json: Option<Link>,
    /// The links to the page in other languages.
    pub(crate) languages: Vec<(Language, Link)>,
}

/// The pages that the navigation leads to.
const NAVIGATION: [(Route, &str); 6] = [
    (Route::Search, "Search"),
    (Route::Live, "Live"),
    (Route::Overview, "Overview"),
    (Route::Schema, "Models"),
    (Route::Trust, "Store"),
    (Route::Help, "Help"),
];

/// Returns a page. Its content stays in its buffer, and the frame is put around it.
pub(crate) fn page(frame: &Frame<'_>, title: &str, main: Markup) -> Markup {
    let frame = html! {
        (DOCTYPE)
        html lang=(texts::language().code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (plain(title)) " · " (plain(frame.title)) }
                link rel="icon" href=(ICON.name()) type="image/svg+xml";
                link rel="stylesheet" href=(STYLE.name());
                (script())
            }
            body {
                a.skip href="#main" { (t("Skip to the content")) }
                (header(frame))
                main #main tabindex="-1" {}
                (footer(frame))
            }
        }
    };
    // The only end of the element, since `<` is escaped in texts.
    let end = frame.0.find("</main>").unwrap_or(frame.0.len());
    let mut page = main.0;
    page.insert_str(0, &frame.0[..end]);
    page.push_str(&frame.0[end..]);
    PreEscaped(page)
}

/// Returns the script with the texts that it shows.
fn script() -> Markup {
    html! {
        script src=(SCRIPT.name()) defer
            data-show=(t("Show {}")) data-local-time=(t("local time"))
            data-keys-on=(t("Switch the keys on")) data-keys-off=(t("Switch the keys off"))
            data-connecting=(t("Connecting")) data-live=(t("Live")) data-paused=(t("Paused"))
            data-ended=(t("Not live")) data-pause=(t("Pause")) data-continue=(t("Continue"))
            data-added=(t("{} new")) {}
    }
}

fn header(frame: &Frame<'_>) -> Markup {
    html! {
        header.top {
            p.brand { (safe(frame.title)) }
            @if let Some(reader) = frame.reader {
                nav aria-label=(t("Pages")) {
                    ul {
                        @for (route, name) in NAVIGATION {
                            @if route != Route::Trust || frame.is_unrestricted {
                                li {
                                    a href=(href(route.name(), &[])) aria-current=[(frame.route == Some(route)).then_some("page")] { (t(name)) }
                                }
                            }
                        }
                    }
                }
                p.reader {
                    span { (t("Read by")) " " b { (short(reader.name(), 80)) } }
                    @if frame.is_recorded {
                        span.recorded { (t("views are recorded")) }
                    } @else {
                        span.unrecorded { (t("views are not recorded")) }
                    }
                }
            }
        }
    }
}

fn footer(frame: &Frame<'_>) -> Markup {
    html! {
        @if frame.reader.is_some() {
            footer {
                p {
                    (t("Times are in")) " " span.zone { "UTC" } ". "
                    span #zone-choice {}
                    @if !frame.is_unrestricted {
                        " " (t("Only entries within your permissions are shown and counted."))
                    }
                }
                @if let Some(json) = &frame.json { p { a href=(json) { (t("This page as JSON")) }
                    @for (language, link) in &frame.languages {
                        " · " a href=(link) lang=(language.code()) hreflang=(language.code()) { (language.name()) }
                    } } }
            }
        }
    }
}

/// Returns the content of the page for an error.
pub(crate) fn error(status: StatusCode, message: &str) -> Markup {
    html! {
        div.message {
            h1 { (t(status.canonical_reason().unwrap_or("Error"))) }
            p { (safe(message)) }
        }
    }
}
