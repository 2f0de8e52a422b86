//! `as-of`: shows the state of an object at a time.

use audit_core::{Missing, MissingReason, ObjectRef, Reconstruction};
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::error::Error;
use crate::exit::Exit;
use crate::number;
use crate::output::{Output, Part};
use crate::session::Session;
use crate::text;
use crate::zone::Zone;

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog as-of User 42 2026-01-31T12:00:00Z
  auditlog as-of User 42 --version 3
  auditlog as-of User yesterday --json";

/// Show the state of an object, or of every object of a model, at a time or in a version
///
/// With MODEL PK TIME or MODEL PK --version N, the command prints one object: its fields, and the
/// missing parts with the reason (not recorded, or recorded masked). If the object did not exist at
/// that time, the exit code is 7. With MODEL TIME it prints all objects of the model that existed,
/// one a line.
///
/// A TIME is RFC 3339, a date, `now`, `yesterday`, or a duration ago such as 2h.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, override_usage = "auditlog as-of [OPTIONS] <MODEL> <PK> <TIME>
       auditlog as-of [OPTIONS] <MODEL> <PK> --version <NUMBER>
       auditlog as-of [OPTIONS] <MODEL> <TIME>")]
pub(crate) struct AsOfArgs {
    /// The model's stored name
    model: String,
    /// The key of the object and the time; the time alone for all objects; the key alone with
    /// --version
    #[arg(value_name = "PK TIME", required = true, num_args = 1..=2)]
    which: Vec<String>,
    /// The version instead of a time, as `history` counts them
    #[arg(long, value_name = "NUMBER", value_parser = number::parse::<usize>, allow_negative_numbers = true)]
    version: Option<usize>,
}

/// The requested state.
enum Target<'a> {
    /// An object at a time.
    Object(&'a str, DateTime<Utc>),
    /// A version of an object.
    Version(&'a str, usize),
    /// All objects of the model at a time.
    Model(DateTime<Utc>),
}

/// A state as JSON.
#[derive(Serialize)]
struct Answer<'r> {
    exists: bool,
    complete: bool,
    state: &'r Value,
    missing: Vec<Gap>,
}

impl<'r> Answer<'r> {
    fn of(found: &'r Reconstruction) -> Self {
        Self {
            exists: found.exists(),
            complete: found.complete,
            state: &found.state,
            missing: found.missing.iter().map(Gap::from).collect(),
        }
    }
}

/// A state of an object among others as JSON.
#[derive(Serialize)]
struct ObjectAnswer<'r> {
    object_pk: &'r str,
    #[serde(flatten)]
    answer: Answer<'r>,
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
    let model = &args.model;
    match args.target(session)? {
        Target::Model(time) => every_object(model, time, session),
        Target::Object(pk, time) => {
            let query = format!("{model} {pk} {}", Zone::UTC.show(time));
            let trail = session.read("as-of", &query)?;
            let found = trail.log.object_as_of(&ObjectRef::new(model, pk), time)?;
            if !found.exists() {
                // An error if the trail has no entry of it.
                trail.history(model, pk)?;
            }
            one_object(&found, session)
        }
        Target::Version(pk, number) => {
            let trail = session.read("as-of", &format!("{model} {pk} version {number}"))?;
            let history = trail.history(model, pk)?;
            let found = history.at_version(number);
            one_object(&found.ok_or_else(|| no_version(number, &history))?, session)
        }
    }
}

impl AsOfArgs {
    fn target(&self, session: &Session) -> Result<Target<'_>, Error> {
        let time = |text: &str| session.time("<TIME>", text);
        match (&self.which[..], self.version) {
            ([pk], Some(number)) => Ok(Target::Version(pk, number)),
            ([pk, text], None) => Ok(Target::Object(pk, time(text)?)),
            ([text], None) => match time(text) {
                Ok(time) => Ok(Target::Model(time)),
                Err(error) => Err(Error::Usage {
                    message: error.to_string(),
                    hint: "if it is the key of an object, add a time, or `now`",
                }),
            },
            _ => Err(Error::Usage {
                message: "both a version and a time are given".to_owned(),
                hint: "give a time or --version, not both",
            }),
        }
    }
}

fn one_object(found: &Reconstruction, session: &mut Session) -> Result<Exit, Error> {
    if session.out.is_json() {
        session.out.json(&Answer::of(found))?;
    } else {
        print(found, &mut session.out)?;
    }
    Ok(if found.exists() {
        Exit::Done
    } else {
        Exit::Absent
    })
}

fn every_object(model: &str, time: DateTime<Utc>, session: &mut Session) -> Result<Exit, Error> {
    let trail = session.read("as-of", &format!("{model} {}", Zone::UTC.show(time)))?;
    trail.require_model(model)?;
    let out = &mut session.out;
    for found in trail
        .log
        .states(trail.log.query().model_name(model), time)?
    {
        let found = found?;
        if out.is_json() {
            out.json(&ObjectAnswer {
                object_pk: &found.object.object_pk,
                answer: Answer::of(&found.at),
            })?;
            continue;
        }
        let pk = text::safe(&found.object.object_pk);
        let pk = out.paint(Part::Object, pk);
        let state = text::value(&found.at.state);
        let mut line = format!("{pk}: {state}");
        if !found.at.complete {
            line.push(' ');
            line.push_str(&out.paint(Part::Bad, "(incomplete)"));
        }
        out.line(line)?;
    }
    Ok(Exit::Done)
}

/// Makes the error for a missing version.
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
    if !found.exists() {
        return out.line("the object did not exist at that time");
    }
    // Null if the trail has no part of the state.
    if !found.state.is_null() {
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
    }
    for missing in &found.missing {
        let path = text::safe(missing.path.as_str());
        let line = match missing.path.as_str() {
            "$" => format!("incomplete: {}", missing.reason),
            _ if matches!(
                missing.reason,
                MissingReason::Unrecorded | MissingReason::StartsLater
            ) =>
            {
                format!("incomplete: {path}: {}", missing.reason)
            }
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
