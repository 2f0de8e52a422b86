//! `schema`: lists the models of the trail.

use std::collections::BTreeMap;

use audit_core::{LogEntry, Query};
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, Part};
use crate::session::Session;
use crate::text;
use crate::zone::Zone;

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog schema
  auditlog schema User";

/// List the models of the trail, with their fields, actions and schema versions
///
/// The command reads the entries, not the program: it lists a field only if an entry has it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SchemaArgs {
    /// Show only this model, with one line for each field
    model: Option<String>,
}

/// A model as its entries describe it.
#[derive(Debug)]
struct Model {
    entries: u64,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    actions: BTreeMap<String, u64>,
    versions: BTreeMap<u32, u64>,
    fields: BTreeMap<String, Field>,
}

/// A top-level field as the entries describe it.
#[derive(Debug, Default, Serialize)]
struct Field {
    /// The number of entries that changed it or something inside.
    entries: u64,
    /// The JSON types of its values.
    types: BTreeMap<&'static str, u64>,
    /// The redactions of values of it or inside it.
    redactions: BTreeMap<String, u64>,
}

/// A model as JSON.
#[derive(Serialize)]
struct Line<'m> {
    model: &'m str,
    entries: u64,
    first: String,
    last: String,
    actions: &'m BTreeMap<String, u64>,
    schema_versions: &'m BTreeMap<u32, u64>,
    fields: &'m BTreeMap<String, Field>,
}

pub(crate) fn run(args: &SchemaArgs, session: &mut Session) -> Result<Exit, Error> {
    let trail = session.read("schema", args.model.as_deref().unwrap_or_default())?;
    let _bound = trail.enter();
    let mut query = Query::new();
    if let Some(model) = &args.model {
        trail.require_model(model)?;
        query = query.model_name(model);
    }
    let mut models: BTreeMap<String, Model> = BTreeMap::new();
    for entry in query.iter()? {
        let entry = entry?;
        let model = models
            .entry(entry.model.clone())
            .or_insert_with(|| Model::new(entry.timestamp));
        model.add(&entry);
    }
    let zone = session.global.tz;
    let out = &mut session.out;
    if out.is_json() {
        for (name, model) in &models {
            out.json(&model.line(name))?;
        }
    } else if args.model.is_some() {
        for model in models.values() {
            print_fields(model, zone, out)?;
        }
    } else {
        let version = trail.store.schema_version()?.unwrap_or_default();
        out.line(format!(
            "tables of version {version}, entries of format {}",
            audit_core::ENTRY_FORMAT
        ))?;
        print_models(&models, zone, out)?;
    }
    Ok(Exit::Done)
}

impl Model {
    fn new(time: DateTime<Utc>) -> Self {
        Self {
            entries: 0,
            first: time,
            last: time,
            actions: BTreeMap::new(),
            versions: BTreeMap::new(),
            fields: BTreeMap::new(),
        }
    }

    fn add(&mut self, entry: &LogEntry) {
        self.entries += 1;
        self.first = self.first.min(entry.timestamp);
        self.last = self.last.max(entry.timestamp);
        *self
            .actions
            .entry(entry.action.as_str().to_owned())
            .or_default() += 1;
        *self.versions.entry(entry.schema_version).or_default() += 1;
        let mut counted = "";
        let mut last = String::new();
        for change in &entry.changes {
            let name = change.path.field();
            let field = self.fields.entry(name.clone().into_owned()).or_default();
            if counted.is_empty() || *name != *last {
                // Changes come by field.
                field.entries += 1;
                counted = "one";
                last = name.clone().into_owned();
            }
            if change.path.as_str() == name {
                for value in [&change.old, &change.new].into_iter().flatten() {
                    *field.types.entry(type_name(value)).or_default() += 1;
                }
            }
            if let Some(redaction) = change.redaction {
                let name = redaction.as_str().to_owned();
                *field.redactions.entry(name).or_default() += 1;
            }
        }
    }

    fn line<'m>(&'m self, name: &'m str) -> Line<'m> {
        Line {
            model: name,
            entries: self.entries,
            first: Zone::UTC.show_aligned(self.first),
            last: Zone::UTC.show_aligned(self.last),
            actions: &self.actions,
            schema_versions: &self.versions,
            fields: &self.fields,
        }
    }

    fn actions(&self) -> String {
        listed(
            self.actions
                .iter()
                .map(|(action, count)| (text::safe(action), count)),
        )
    }

    fn versions(&self) -> String {
        let versions: Vec<String> = self.versions.keys().map(u32::to_string).collect();
        versions.join(", ")
    }
}

fn print_models(
    models: &BTreeMap<String, Model>,
    zone: Zone,
    out: &mut Output,
) -> Result<(), Error> {
    let mut table = out.new_table([
        "MODEL", "ENTRIES", "FIRST", "LAST", "ACTIONS", "VERSIONS", "FIELDS",
    ]);
    for (name, model) in models {
        let name = if name.is_empty() {
            "(no model)".into()
        } else {
            text::safe(name)
        };
        table.add_row([
            out.cell(Part::Object, name),
            out.cell(Part::Heading, text::thousands(model.entries)),
            out.cell(Part::Quiet, zone.show(model.first)),
            out.cell(Part::Quiet, zone.show(model.last)),
            out.cell(Part::Heading, model.actions()),
            out.cell(Part::Quiet, model.versions()),
            out.cell(Part::Quiet, model.fields.len()),
        ]);
    }
    Output::no_wrap(&mut table, [1, 2, 3, 5, 6]);
    out.table(&table)
}

fn print_fields(model: &Model, zone: Zone, out: &mut Output) -> Result<(), Error> {
    out.line(format!(
        "{} from {} to {}",
        text::counted(model.entries, "entry", "entries"),
        zone.show(model.first),
        zone.show(model.last)
    ))?;
    out.line(format!("actions: {}", model.actions()))?;
    out.line(format!("schema versions: {}", model.versions()))?;
    let mut table = out.new_table(["FIELD", "ENTRIES", "TYPES", "HIDDEN"]);
    for (name, field) in &model.fields {
        let types = field.types.iter();
        table.add_row([
            out.cell(Part::Object, text::safe(name)),
            out.cell(Part::Heading, text::thousands(field.entries)),
            out.cell(Part::Quiet, listed(types)),
            out.cell(Part::Bad, listed(field.redactions.iter())),
        ]);
    }
    out.table(&table)
}

fn listed<'c>(counts: impl Iterator<Item = (impl std::fmt::Display, &'c u64)>) -> String {
    let counts: Vec<String> = counts
        .map(|(name, count)| format!("{name} {}", text::thousands(*count)))
        .collect();
    counts.join(", ")
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
