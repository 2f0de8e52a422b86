//! `as-of`: what an object was at a time.

use audit_core::{Missing, Reconstruction};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, Part};
use crate::text;

/// Show what an object was at a time or in a version
///
/// Says what of it is missing and why: what is not recorded, or only masked. If the object
/// did not exist then, the exit code is 7.
#[derive(Args, Debug)]
pub(crate) struct AsOfArgs {
    /// The model's stored name
    model: String,
    /// The object's key
    pk: String,
    /// The time: RFC 3339, a date, `yesterday`, or a duration ago such as 2h
    #[arg(required_unless_present = "version", conflicts_with = "version")]
    time: Option<String>,
    /// The version, as `history` counts them
    #[arg(long, value_name = "NUMBER")]
    version: Option<usize>,
}

/// A state as JSON.
#[derive(Serialize)]
struct Answer<'r> {
    exists: bool,
    complete: bool,
    state: &'r Value,
    missing: Vec<Gap>,
}

/// A part of a state that is missing.
#[derive(Serialize)]
struct Gap {
    path: String,
    reason: String,
}

impl From<&Missing> for Gap {
    fn from(missing: &Missing) -> Self {
        Self {
            path: missing.path.to_string(),
            reason: missing.reason.to_string(),
        }
    }
}

pub(crate) fn run(args: &AsOfArgs, session: &mut Session) -> Result<Exit, Error> {
    let time = args
        .time
        .as_deref()
        .map(|time| session.time("<TIME>", time))
        .transpose()?;
    let asked = match (time, args.version) {
        (Some(time), _) => crate::zone::Zone::UTC.show(time),
        (None, version) => format!("version {}", version.unwrap_or_default()),
    };
    let trail = session.read("as-of", &format!("{} {} {asked}", args.model, args.pk))?;
    let history = trail.history(&args.model, &args.pk)?;
    let found = match time {
        Some(time) => history.as_of(time),
        None => history
            .at_version(args.version.unwrap_or_default())
            .ok_or_else(|| no_version(args.version.unwrap_or_default(), &history))?,
    };
    print(&found, &mut session.out)?;
    Ok(if found.exists() {
        Exit::Done
    } else {
        Exit::Absent
    })
}

/// Says that there is no such version.
pub(crate) fn no_version(number: usize, history: &audit_core::History) -> Error {
    let object = history.object();
    Error::NotFound {
        what: format!(
            "version {number} of `{}` `{}`, which has {}",
            object.model,
            object.object_pk,
            text::counted(history.versions().count() as u64, "version", "versions")
        ),
        near: None,
        hint: "`auditlog history` lists them",
    }
}

fn print(found: &Reconstruction, out: &mut Output) -> Result<(), Error> {
    if out.is_json() {
        return out.json(&Answer {
            exists: found.exists(),
            complete: found.complete,
            state: &found.state,
            missing: found.missing.iter().map(Gap::from).collect(),
        });
    }
    if !found.exists() {
        return out.line("the object did not exist then");
    }
    let mut table = out.new_table(["FIELD", "VALUE"]);
    let mut fields = Vec::new();
    flatten(String::new(), &found.state, &mut fields);
    for (path, value) in fields {
        table.add_row([
            out.cell(Part::Object, text::safe(&path)),
            out.cell(Part::Heading, text::value(value)),
        ]);
    }
    out.table(&table)?;
    for missing in &found.missing {
        let path = text::safe(missing.path.as_str());
        let line = match missing.path.as_str() {
            "$" => format!("incomplete: {}", missing.reason),
            _ => format!("incomplete: {path} is {}", missing.reason),
        };
        let line = out.paint(Part::Bad, line);
        out.line(line)?;
    }
    Ok(())
}

/// Lists the values inside objects by their path; a list is one value.
fn flatten<'v>(path: String, value: &'v Value, fields: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            for (name, value) in object {
                let inner = audit_core::PathSegment::Name(name.clone());
                let inner = audit_core::Path::from_segments(&[inner]);
                let inner = match inner.as_str() {
                    inner if path.is_empty() => inner.to_owned(),
                    inner if inner.starts_with('[') => format!("{path}{inner}"),
                    inner => format!("{path}.{inner}"),
                };
                flatten(inner, value, fields);
            }
        }
        value => fields.push((
            if path.is_empty() {
                "$".to_owned()
            } else {
                path
            },
            value,
        )),
    }
}
