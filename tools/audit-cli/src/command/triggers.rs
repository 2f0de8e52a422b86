//! `triggers`: prints SQL that records writes of other programs to PostgreSQL.

use std::fs;
use std::io::{self, Read, Write};

use audit_core::{Mask, ModelDescription};
use audit_postgres::Triggers;
use clap::Args;

use crate::encoding;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use crate::store;

/// The schema of the trail's tables where none is named.
const SCHEMA: &str = "public";

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog triggers --models models.json --model User --table public.users | psql -1
  auditlog triggers --models models.json --model User --table public.users --drop | psql -1";

/// Print SQL that installs triggers on a model's table in PostgreSQL
///
/// The triggers record every write to the table in the form of the program's own entries; fields
/// that the model skips or masks are skipped or masked. The program prints its models as JSON with
/// `serde_json::to_string(&auditlog::described())`.
///
/// The triggers write to the trail in the schema `public`, or in that of --schema. This command
/// opens no database.
#[derive(Args, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TriggersArgs {
    /// The file with the models as JSON; - for standard input
    #[arg(long, value_name = "FILE")]
    models: String,
    /// The model's stored name; optional if the file has one model
    #[arg(long)]
    model: Option<String>,
    /// The table, such as app.users; without a schema, a table of the schema `public`
    #[arg(long)]
    table: String,
    /// The column of a field whose name differs; may be repeated
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = pair)]
    column: Vec<(String, String)>,
    /// Do not record a field, such as one without a column; may be repeated
    #[arg(long, value_name = "FIELD")]
    omit: Vec<String>,
    /// Mask a field: all, `first_half`, last4 or email; may be repeated
    #[arg(long, value_name = "FIELD=MASK", value_parser = masked)]
    mask: Vec<(String, Mask)>,
    /// Record the column of a field that the program records through a function, `Display` or
    /// `Debug`; by default such a field is masked. May be repeated
    #[arg(long, value_name = "FIELD")]
    clear: Vec<String>,
    /// A field of a composite identity; repeat it in the order of the key's parts, if that differs
    /// from the order of the fields
    #[arg(long, value_name = "FIELD")]
    key: Vec<String>,
    /// Record the rows under this model name, such as one for each schema that has the table
    #[arg(long, value_name = "NAME")]
    model_name: Option<String>,
    /// Also fire in sessions with `session_replication_role = replica`
    #[arg(long)]
    always: bool,
    /// Record no entries, only notes of the writes for `auditlog reconcile`
    #[arg(long)]
    watch: bool,
    /// Record one entry for a TRUNCATE instead of one for each object; no object's history has it
    #[arg(long, conflicts_with = "watch")]
    truncate_in_bulk: bool,
    /// Print SQL that removes the triggers
    #[arg(long)]
    drop: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(field, value)| !field.is_empty() && !value.is_empty())
        .map(|(field, value)| (field.to_owned(), value.to_owned()))
        .ok_or_else(|| "expected two names with `=` between them".to_owned())
}

fn masked(text: &str) -> Result<(String, Mask), String> {
    let (field, mask) = pair(text)?;
    let mask = mask
        .parse()
        .map_err(|error: audit_core::ParseMaskError| error.to_string())?;
    Ok((field, mask))
}

pub(crate) fn run(args: &TriggersArgs, session: &mut Session) -> Result<Exit, Error> {
    let model = model(args)?;
    let schema = store::schema(&session.global);
    let mut triggers =
        Triggers::new(model, &args.table).schema(schema.as_deref().unwrap_or(SCHEMA));
    for (field, column) in &args.column {
        triggers = triggers.column(field, column);
    }
    for field in &args.omit {
        triggers = triggers.omit(field);
    }
    for (field, mask) in &args.mask {
        triggers = triggers.mask(field, *mask);
    }
    for field in &args.clear {
        triggers = triggers.clear(field);
    }
    if !args.key.is_empty() {
        triggers = triggers.key(&args.key);
    }
    if let Some(name) = &args.model_name {
        triggers = triggers.model_name(name);
    }
    if args.always {
        triggers = triggers.always();
    }
    if args.watch {
        triggers = triggers.watch();
    }
    if args.truncate_in_bulk {
        triggers = triggers.truncate_in_bulk();
    }
    let sql = if args.drop {
        triggers.drop_sql()
    } else {
        triggers.sql()
    };
    let sql = sql.map_err(|error| Error::Usage {
        message: error.to_string(),
        hint: "`auditlog triggers --help` describes each flag; the models' JSON has the names of the \
               fields",
    })?;
    session.out.write_all(sql.as_bytes())?;
    Ok(Exit::Done)
}

/// Reads the file and finds the model.
fn model(args: &TriggersArgs) -> Result<ModelDescription, Error> {
    let bytes = if args.models == "-" {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(&args.models)
    };
    let bytes = bytes.map_err(|source| Error::Input {
        input: args.models.clone(),
        source,
    })?;
    if let Some(encoding) = encoding::foreign(&bytes) {
        return Err(Error::Line {
            position: args.models.clone(),
            message: format!("the file is {encoding}, not UTF-8"),
            kept: "convert it, for instance with iconv".to_owned(),
        });
    }
    let mut models: Vec<ModelDescription> = serde_json::from_slice(encoding::without_mark(&bytes))
        .map_err(|error| Error::Line {
            position: args.models.clone(),
            message: error.to_string(),
            kept: "the file holds what `serde_json::to_string(&auditlog::described())` returns"
                .to_owned(),
        })?;
    let Some(name) = &args.model else {
        return match models.pop() {
            Some(model) if models.is_empty() => Ok(model),
            _ => Err(Error::Usage {
                message: format!("{} does not have exactly one model", args.models),
                hint: "name one with --model",
            }),
        };
    };
    let names: Vec<String> = models.iter().map(|model| model.model.clone()).collect();
    let found = models.into_iter().find(|model| model.model == *name);
    found.ok_or_else(|| {
        let near = audit_core::backend::nearest(name, names.iter().map(String::as_str));
        Error::Value {
            argument: "--model",
            message: match near {
                Some(near) => format!(
                    "{} has no model `{name}`; did you mean `{near}`?",
                    args.models
                ),
                None => format!("{} has no model `{name}`", args.models),
            },
        }
    })
}
