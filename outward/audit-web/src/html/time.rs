//! Times in UTC. The script shows them in the reader's zone on request.

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, PreEscaped, html};

use crate::texts::{self, Language, t};

/// Returns a time as RFC 3339 with microseconds.
pub(crate) fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Shows the date and the time of day to the second.
pub(crate) fn moment(time: DateTime<Utc>) -> Markup {
    let exact = timestamp(time);
    let format = match texts::language() {
        Language::English => "%-d %b %Y, %H:%M:%S",
        Language::German => "%-d.%-m.%Y, %H:%M:%S",
    };
    html! {
        time datetime=(exact) title=(exact) data-show="moment" { (time.format(format)) " UTC" }
    }
}

/// Shows the time of day to the second, below the heading of its day.
pub(crate) fn time_of_day(time: DateTime<Utc>) -> Markup {
    let exact = PreEscaped(timestamp(time));
    let clock = exact
        .0
        .split_once('T')
        .and_then(|(_, clock)| clock.get(..8));
    html! {
        time datetime=(exact) title=(exact) data-show="time" { (PreEscaped(clock.unwrap_or_default())) }
    }
}

/// Shows the day.
pub(crate) fn day(time: DateTime<Utc>) -> Markup {
    let part = |format: &str| time.format(format).to_string();
    let (name, month) = (part("%A"), part("%B"));
    let end = match texts::language() {
        Language::English => "",
        Language::German => ".",
    };
    html! {
        time datetime=(time.format("%Y-%m-%d")) {
            (t(&name)) ", " (time.format("%-d")) (end) " " (t(&month)) " " (time.format("%Y"))
        }
    }
}
