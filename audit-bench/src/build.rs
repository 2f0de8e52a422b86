//! `build`: what the derive costs the compiler, beside serde's `Serialize` on the same
//! structs. Both are counted over a crate that derives neither; user time.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::measure::{Budget, median, row};

type Outcome<T> = Result<T, Box<dyn Error>>;

const STRUCTS: usize = 200;
const ROUNDS: usize = 5;

/// The crates that are built: without a derive of interest, with serde's, and with ours.
/// The last two also come with a program that uses what was derived.
const CRATES: [&str; 3] = ["base", "serialize", "auditable"];

pub(crate) fn run() -> Outcome<()> {
    let place = tempfile::tempdir()?;
    write_workspace(place.path())?;
    for (command, budget) in [("check", 1.0), ("release", 1.3)] {
        measure(place.path(), command, "lib", Budget::Ratio(budget))?;
    }
    measure(place.path(), "release", "used", Budget::None)
}

/// Times `cargo check` or a release build of each crate.
fn measure(place: &Path, command: &str, target: &str, budget: Budget) -> Outcome<()> {
    let mut times: [Vec<f64>; 3] = Default::default();
    for round in 0..=ROUNDS {
        for (name, times) in CRATES.iter().zip(&mut times) {
            let time = build(place, name, command, target)?;
            // The first one builds what they depend on.
            if round > 0 {
                times.push(time);
            }
        }
    }
    let [base, serialize, auditable] = times.map(median);
    let name = format!("build/{command}/{target}");
    row(
        &name,
        (auditable - base) * 1e3,
        (serialize - base) * 1e3,
        "ms",
        budget,
    );
    Ok(())
}

/// Builds a crate anew and returns the user time of the compiler in seconds.
fn build(place: &Path, name: &str, command: &str, target: &str) -> Outcome<f64> {
    let folder = place.join(name);
    let source = folder.join("src").join(format!("{target}.rs"));
    let text = fs::read_to_string(&source)?;
    fs::write(&source, text)?;
    let action = if command == "check" {
        "check"
    } else {
        "build --release"
    };
    let target = if target == "lib" {
        "--lib"
    } else {
        "--bin used"
    };
    // The shell's `times` tells the user time of its children in the second line.
    let script = format!("cargo {action} --quiet --offline -p {name} {target} && times");
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(place)
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_BUILD_JOBS", "1")
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    let user = text
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().next());
    let (minutes, seconds) = user
        .and_then(|user| user.trim_end_matches('s').split_once('m'))
        .ok_or("the shell does not tell times")?;
    Ok(minutes.parse::<f64>()? * 60.0 + seconds.parse::<f64>()?)
}

fn write_workspace(place: &Path) -> Outcome<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()?;
    fs::write(
        place.join("Cargo.toml"),
        "[workspace]\nresolver = \"3\"\nmembers = [\"base\", \"serialize\", \"auditable\"]\n",
    )?;
    // The versions of this workspace, so that nothing is looked up.
    fs::copy(root.join("Cargo.lock"), place.join("Cargo.lock"))?;
    for name in CRATES {
        let folder = place.join(name);
        fs::create_dir_all(folder.join("src"))?;
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [[bin]]\nname = \"used\"\npath = \"src/used.rs\"\n[dependencies]\n\
             auditlog = {{ path = {root:?} }}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\nserde_json = \"1\"\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        fs::write(folder.join("src/lib.rs"), source(name, false)?)?;
        fs::write(folder.join("src/used.rs"), source(name, true)?)?;
    }
    Ok(())
}

/// The structs, of twelve fields each, and for a program a use of every one.
fn source(name: &str, used: bool) -> Outcome<String> {
    let derive = match name {
        "serialize" => ", serde::Serialize",
        "auditable" => ", auditlog::Auditable",
        _ => "",
    };
    let mut text = String::new();
    for number in 0..STRUCTS {
        write!(
            text,
            "#[derive(Clone, PartialEq, Debug, Default{derive})]\npub struct Model{number} {{\
             pub id: u64, pub name: String, pub email: String, pub phone: String,\
             pub street: String, pub city: String, pub count: i64, pub size: u32,\
             pub active: bool, pub ratio: f64, pub note: String, pub rank: i32 }}\n",
        )?;
    }
    if used {
        text.push_str("fn main() {\n");
        for number in 0..STRUCTS {
            let model = format!("Model{number}::default()");
            match name {
                "serialize" => writeln!(text, "serde_json::to_string(&{model}).unwrap();")?,
                "auditable" => writeln!(
                    text,
                    "auditlog::diff(&{model}, &{model}); auditlog::created(&{model}).record().unwrap();"
                )?,
                _ => writeln!(text, "drop({model});")?,
            }
        }
        text.push_str("}\n");
    }
    Ok(text)
}
