//! The models that the program has registered, with their fields.

use audit_core::backend::projection::Condition;
use audit_core::{ModelDescription, Recorded};
use maud::{Markup, html};
use serde_json::json;

use super::Content;
use super::trust::{Fact, fact, known};
use crate::error::Failure;
use crate::html::{Labels, MAX_ROWS, more_rows, safe, search_for, short};
use crate::reader::Reader;
use crate::request::PageRequest;
use crate::terms::Terms;
use crate::texts::t;

pub(super) fn page(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let models = reader.log().described();
    let others = other_models(reader, &models)?;
    if request.is_json() {
        return Ok(Content::json(
            &json!({"models": serde_json::to_value(models)?, "others": others.ok()}),
        ));
    }
    let labels = Labels::of(reader.log());
    let main = html! {
        h1 { (t("Models")) }
        p.lead { (t("The types that this program records, and how each field appears in the trail.")) }
        @if models.is_empty() {
            p.note { (t("This program has registered no model.")) }
        }
        @for model in &models {
            section.model {
                h2 {
                    a href=[search_for(&Terms::default(), &[Condition::Model(&model.model)])] { (safe(&model.model)) }
                    span.note { (t("schema version")) " " (model.schema_version) }
                }
                table.state {
                    caption.vh { (t("The fields of the model")) }
                    thead { tr { th scope="col" { (t("Field")) } th scope="col" { (t("In the trail")) } } }
                    tbody {
                        @for field in &model.fields {
                            tr {
                                th scope="row" {
                                    (safe(field.path.as_str()))
                                    @if let Some(label) = labels.label(&model.model, &field.path) { span.note { (safe(&label)) } }
                                }
                                td {
                                    (recorded(field.recorded))
                                    @if field.identity { " " span.tag { (t("identity")) } }
                                    @if field.reference { " " span.tag { (t("reference")) } }
                                    @if field.ignored { " " span.tag { (t("a change of it alone makes no entry")) } }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if !others.as_ref().is_ok_and(Vec::is_empty) {
            section.model {
                h2 { (t("Other models in the trail")) }
                p.note { (t("Models that this program has not registered, by their stored names.")) }
                (known(&others, |names| list(names)))
            }
        }
    };
    Ok(Content::html(t("Models"), main))
}

/// Returns the names of the models in the trail that are not registered; none for a reader with a scope, from whom the
/// entries of some may be hidden, and if the store does not list them.
fn other_models(
    reader: &Reader<'_>,
    registered: &[ModelDescription],
) -> Result<Fact<Vec<String>>, Failure> {
    let Ok(trail) = reader.trail() else {
        return Ok(Ok(Vec::new()));
    };
    if !reader.grant.is_unrestricted() {
        return Ok(Ok(Vec::new()));
    }
    reader.check_wanted()?;
    let mut models = fact("models", trail.models())?;
    if let Ok(names) = &mut models {
        names.retain(|name| {
            let is_registered = registered.iter().any(|schema| schema.model == *name);
            !name.is_empty() && !is_registered
        });
    }
    Ok(models)
}

fn list(models: &[String]) -> Markup {
    html! {
        ul.inline {
            @for model in models.iter().take(MAX_ROWS) {
                li { a href=[search_for(&Terms::default(), &[Condition::Model(model)])] { (short(model, 120)) } }
            }
            @if models.len() > MAX_ROWS { li.note { (more_rows(models.len() - MAX_ROWS)) } }
        }
    }
}

/// Returns how a field is recorded, in words.
fn recorded(recorded: Recorded) -> &'static str {
    match recorded {
        Recorded::Clear => t("in clear"),
        Recorded::Masked(_) => t("masked"),
        Recorded::Hashed => t("replaced by a code; equal values have the same code"),
        Recorded::Partial => t("in part: some of it is masked, hashed or left out"),
        Recorded::Converted => t("converted by the application"),
        Recorded::Skipped => t("not recorded"),
        _ => t("in another form"),
    }
}
