//! The models that the program has registered, with their fields.

use audit_core::{Query, Recorded};
use maud::html;
use serde_json::json;

use super::Content;
use crate::error::Failure;
use crate::html::{Labels, safe, search};
use crate::reader::Reader;
use crate::request::PageRequest;
use crate::terms::Terms;
use crate::texts::t;

pub(super) fn page(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let models = reader.log().described();
    if request.is_json() {
        return Ok(Content::json(
            &json!({"models": serde_json::to_value(models)?}),
        ));
    }
    let labels = Labels::of(reader.log());
    let main = html! {
        h1 { (t("Models")) }
        p.lead { (t("The types that this program records, and how each field appears in the trail.")) }
        @if models.is_empty() {
            p.note { (t("This program has registered no model. The trail may have entries of models that other programs record.")) }
        }
        @for model in &models {
            section.model {
                h2 {
                    a href=[search(&Terms::default(), &Query::new().model_name(model.model.as_str()))] { (safe(&model.model)) }
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
    };
    Ok(Content::html(t("Models"), main))
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
