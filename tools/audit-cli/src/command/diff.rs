//! `diff`: what changed between two versions.

use clap::Args;

use super::as_of::no_version;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Part;
use crate::session::Session;
use crate::text;

/// Show what changed from one version of an object to another
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// The model's stored name
    model: String,
    /// The object's key
    pk: String,
    /// From this version, as `history` counts them
    from: usize,
    /// To this version; the newest if not given
    to: Option<usize>,
}

pub(crate) fn run(args: &DiffArgs, session: &mut Session) -> Result<Exit, Error> {
    let to = args
        .to
        .map_or_else(|| "newest".to_owned(), |to| to.to_string());
    let asked = format!("{} {} {} {to}", args.model, args.pk, args.from);
    let trail = session.read("diff", &asked)?;
    let history = trail.history(&args.model, &args.pk)?;
    let newest = history.versions().count();
    let to = args.to.unwrap_or(newest);
    let changes = history.diff(args.from, to).ok_or_else(|| {
        let known = |number| (1..=newest).contains(&number);
        no_version(if known(args.from) { to } else { args.from }, &history)
    })?;
    let out = &mut session.out;
    if out.is_json() {
        out.json(&changes)?;
        return Ok(Exit::Done);
    }
    if changes.is_empty() {
        out.line(format!(
            "version {} and version {to} are the same",
            args.from
        ))?;
        return Ok(Exit::Done);
    }
    let mut table = out.new_table([
        "",
        "PATH",
        &format!("VERSION {}", args.from),
        &format!("VERSION {to}"),
    ]);
    for change in &changes {
        let (sign, part) = match (&change.old, &change.new) {
            (None, Some(_)) => ("+", Part::Good),
            (Some(_), None) => ("-", Part::Bad),
            _ => ("~", Part::Heading),
        };
        let (old, new) = match (&change.old, &change.new) {
            (None, None) => ("-".to_owned(), text::change(change)),
            (old, new) => (text::side(old.as_ref()), text::side(new.as_ref())),
        };
        table.add_row([
            out.cell(part, sign),
            out.cell(Part::Object, text::safe(change.path.as_str())),
            out.cell(Part::Bad, out.cut(old)),
            out.cell(Part::Good, out.cut(new)),
        ]);
    }
    out.table(&table)?;
    Ok(Exit::Done)
}
