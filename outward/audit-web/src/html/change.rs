//! Changes: in one line of a list, and as rows of a table.

use audit_core::backend::projection::Condition;
use audit_core::{Action, Change, LogEntry, Redaction};
use maud::{Markup, Render, html};
use serde_json::Value;

use super::label::Labels;
use super::link::{Link, search_for};
use super::text::{safe, safe_block, short};
use super::value::{Space, brief, full, is_linkable};
use super::{FromFn, enclose};
use crate::terms::Terms;
use crate::texts::t;

/// The number of changes in a row of a list.
const INLINE: usize = 4;
/// The number of characters of a path.
const PATH: usize = 120;
/// The number of items of a reordered list.
const MOVES: usize = 50;

/// Shows the first changes of an entry. Each path leads to the search for changes of it, and each short
/// value to the search for changes from it or to it.
pub(crate) fn inline_changes<'e>(
    entry: &'e LogEntry,
    labels: &'e Labels,
    terms: &'e Terms,
    link: &'e Link,
) -> impl Render + 'e {
    let more = entry.changes.len().saturating_sub(INLINE);
    // Without values, a field is searched in its model alone.
    let model = if terms.hides_values() {
        &entry.model
    } else {
        ""
    };
    FromFn(move |page: &mut String| {
        if entry.changes.is_empty() {
            return;
        }
        page.push_str("<ul class=\"changes\">");
        for change in entry.changes.iter().take(INLINE) {
            page.push_str("<li><a class=\"path\"");
            if let Some(link) = by_path(terms, model, change) {
                enclose(page, " href=\"", link, "\"");
            }
            enclose(page, ">", name(entry, change, labels), "</a> ");
            sides(entry, change, terms).render_to(page);
            page.push_str("</li>");
        }
        if more > 0 {
            let item = html! { li { a.note href=(link) { (super::value::grouped(more)) " " (t("more")) } } };
            item.render_to(page);
        }
        page.push_str("</ul>");
    })
}

/// Returns the link to the changes of a path; `None` if it is long, or if the reader may not ask for them.
fn by_path(terms: &Terms, model: &str, change: &Change) -> Option<Link> {
    if change.path.as_str().len() > 1_000 || model.len() > 1_000 {
        return None;
    }
    let conditions = [Condition::Model(model), Condition::Changed(&change.path)];
    search_for(
        terms,
        match model {
            "" => &conditions[1..],
            _ => &conditions,
        },
    )
}

/// A side of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Old,
    New,
}

/// Returns the link to the changes from a value, or to it; `None` if the value is not short, if it is not
/// the real one, or if the reader may not ask for it.
fn by_value(terms: &Terms, change: &Change, value: &Value, side: Side) -> Option<Link> {
    let path = &change.path;
    let is_hidden = terms.hides_values() || change.redaction.is_some();
    if is_hidden || path.as_str().len() > 1_000 || !is_linkable(value) {
        return None;
    }
    let condition = match side {
        Side::Old => Condition::ChangedFrom(path, value),
        Side::New => Condition::ChangedTo(path, value),
    };
    search_for(terms, &[condition])
}

/// A shown value. It is a link if it can be searched for.
struct Linked<S> {
    shown: S,
    link: Option<Link>,
}

fn linked<S: Render>(shown: S, link: Option<Link>) -> Linked<S> {
    Linked { shown, link }
}

impl<S: Render> Render for Linked<S> {
    fn render_to(&self, page: &mut String) {
        let Some(link) = &self.link else {
            return self.shown.render_to(page);
        };
        enclose(page, "<a class=\"value\" href=\"", link, "\">");
        self.shown.render_to(page);
        page.push_str("</a>");
    }
}

/// Shows the path of a change, by its label if it has one.
fn name<'c>(entry: &LogEntry, change: &'c Change, labels: &Labels) -> impl Render + use<'c> {
    let label = labels.label(&entry.model, &change.path);
    FromFn(move |page: &mut String| match &label {
        Some(label) => {
            let name = html! { span title=(change.path) { (safe(label)) } };
            name.render_to(page);
        }
        None => short(change.path.as_str(), PATH).render_to(page),
    })
}

/// Shows the values before and after a change on one line.
fn sides(entry: &LogEntry, change: &Change, terms: &Terms) -> Markup {
    let old = |value| linked(brief(value), by_value(terms, change, value, Side::Old));
    let new = |value| linked(brief(value), by_value(terms, change, value, Side::New));
    html! {
        @match (&change.old, &change.new) {
            (Some(before), Some(after)) => {
                span.vh { (t("was")) " " } del { (old(before)) }
                span.arrow aria-hidden="true" { " → " } span.vh { " " (t("is now")) " " }
                ins { (new(after)) }
            }
            // Every value of a creation is new, so that a mark on each says nothing.
            (None, Some(after)) if entry.action == Action::Create => span.set { (new(after)) },
            (None, Some(after)) => { span.word { (t("added")) } " " ins { (new(after)) } }
            (Some(before), None) if entry.action == Action::Delete => span.set { (old(before)) },
            (Some(before), None) => { span.word { (t("removed")) } " " del { (old(before)) } }
            (None, None) => (moves(change)),
        }
        @if let Some(redaction) = change.redaction { (tag(redaction)) }
    }
}

/// Shows that values were redacted.
fn tag(redaction: Redaction) -> Markup {
    html! {
        " " span.tag {
            @if redaction == Redaction::Partial { (t("partly masked")) } @else { (t(redaction.as_str())) }
        }
    }
}

fn moves(change: &Change) -> Markup {
    html! {
        @if change.moved.is_empty() { span.word { (t("changed")) } }
        @else { span.word { (t("reordered")) } " " (change.moved.len()) " " (t("items")) }
    }
}

/// The changes that a table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Those of an entry, which a search for their values finds.
    Entry,
    /// The differences of two versions.
    Versions,
}

/// Shows changes as the rows of a table with the columns field, before and after. `terms` are those of an empty
/// query of the reader.
pub(crate) fn change_rows<'c>(
    of: Of,
    model: &str,
    changes: impl ExactSizeIterator<Item = &'c Change>,
    labels: &Labels,
    terms: &Terms,
    space: &Space,
) -> Markup {
    let count = changes.len();
    let shown = space.rows(count);
    html! {
        @for change in changes.take(shown) {
            tr {
                th scope="row" {
                    a.path href=[by_path(terms, model, change)] {
                        (short(change.path.as_str(), PATH))
                    }
                    @if let Some(label) = labels.label(model, &change.path) {
                        span.note { (safe(&label)) }
                    }
                    @if let Some(redaction) = change.redaction { (tag(redaction)) }
                }
                @if change.old.is_none() && change.new.is_none() {
                    td colspan="2" { (moves(change)) (move_list(change)) }
                } @else {
                    @let (old, new) = compared(change, space);
                    @let link = |value: &Option<Value>, side| match of {
                        Of::Entry => by_value(terms, change, value.as_ref()?, side),
                        Of::Versions => None,
                    };
                    td.before { (linked(old, link(&change.old, Side::Old))) }
                    td.after { (linked(new, link(&change.new, Side::New))) }
                }
            }
        }
        @if count > shown { tr { td.note colspan="3" { (more_rows(count - shown)) } } }
    }
}

/// States that a table has more rows than the page.
pub(crate) fn more_rows(count: usize) -> Markup {
    html! { (t("And")) " " (super::value::grouped(count)) " " (t("more, which the JSON of this page has.")) }
}

fn move_list(change: &Change) -> Markup {
    html! {
        ul.plain {
            @for step in change.moved.iter().take(MOVES) {
                li {
                    (short(audit_core::Path::from_segments(std::slice::from_ref(&step.item)).as_str(), PATH))
                    ": " (t("position")) " " (step.from + 1) " → " (step.to + 1)
                }
            }
            @if change.moved.len() > MOVES { li.note { (more_rows(change.moved.len() - MOVES)) } }
        }
    }
}

/// Shows both sides of a change. In two texts, the part that differs is marked.
fn compared(change: &Change, space: &Space) -> (Markup, Markup) {
    if let (Some(Value::String(old)), Some(Value::String(new))) = (&change.old, &change.new)
        && is_comparable(old, new)
        && space.has(old.len() + new.len())
        && let Some([before, old, new, after]) = difference(old, new)
    {
        let side = |part: &str| {
            html! {
                span.block {
                    (safe_block(before))
                    @if !part.is_empty() { mark { (safe_block(part)) } }
                    (safe_block(after))
                }
            }
        };
        return (html! { del { (side(old)) } }, html! { ins { (side(new)) } });
    }
    let absent = || html! { span.word { (t("absent")) } };
    let (old, new) = (change.old.as_ref(), change.new.as_ref());
    (
        old.map_or_else(absent, |old| html! { del { (full(old, space)) } }),
        new.map_or_else(absent, |new| html! { ins { (full(new, space)) } }),
    )
}

fn is_comparable(old: &str, new: &str) -> bool {
    let is_short = |text: &str| !text.is_empty() && text.len() <= 600;
    is_short(old) && is_short(new)
}

/// Splits two texts into the common start, the parts that differ, and the common end; `None` if they
/// have little in common.
fn difference<'t>(old: &'t str, new: &'t str) -> Option<[&'t str; 4]> {
    let start: usize = old
        .chars()
        .zip(new.chars())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    let end: usize = old[start..]
        .chars()
        .rev()
        .zip(new[start..].chars().rev())
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    let (old_end, new_end) = (old.len() - end, new.len() - end);
    // A few equal characters in two different words are a coincidence.
    if start + end == 0 || (start + end) * 3 < old.len().min(new.len()) {
        return None;
    }
    Some([
        &old[..start],
        &old[start..old_end],
        &new[start..new_end],
        &old[old_end..],
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_that_differs_is_found() {
        assert_eq!(
            difference("bob@old.example", "bob@new.example"),
            Some(["bob@", "old", "new", ".example"])
        );
        assert_eq!(difference("Mainz", "Bonn"), None);
        assert_eq!(difference("aaa", "aaaa"), Some(["aaa", "", "a", ""]));
        assert_eq!(difference("größe", "gräße"), Some(["gr", "ö", "ä", "ße"]));
    }
}
