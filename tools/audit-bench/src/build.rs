//! `build`: what the derive costs the compiler and the program, beside serde's `Serialize` on
//! the same structs. Both are counted over a crate that derives neither; user time, and bytes
//! of the stripped program.

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
/// Each has a library, and programs that use what is derived in it.
const CRATES: [&str; 3] = ["base", "serialize", "auditable"];

pub(crate) fn run() -> Outcome<()> {
    let place = tempfile::tempdir()?;
    write_workspace(place.path())?;
    for (command, budget) in [("check", 1.0), ("release", 1.3)] {
        // Builds what they depend on.
        for name in CRATES {
            build(place.path(), name, command, "lib")?;
        }
        measure(place.path(), command, "lib", ROUNDS, Budget::Ratio(budget))?;
    }
    size(place.path())?;
    measure(place.path(), "release", "used", 1, Budget::None)
}

/// Times `cargo check` or a release build of each crate.
fn measure(
    place: &Path,
    command: &str,
    target: &str,
    rounds: usize,
    budget: Budget,
) -> Outcome<()> {
    let mut times: [Vec<f64>; 3] = Default::default();
    for _ in 0..rounds {
        for (name, times) in CRATES.iter().zip(&mut times) {
            times.push(build(place, name, command, target)?);
        }
    }
    let [base, serialize, auditable] = times.map(median);
    let name = format!("build/{command}/{target}");
    let (ours, reference) = ((auditable - base) * 1e3, (serialize - base) * 1e3);
    row(&name, ours, reference, "ms", budget);
    Ok(())
}

/// Measures what one more derived struct adds to a program: ours in a diff, serde's in
/// `to_string`.
#[expect(
    clippy::cast_precision_loss,
    reason = "programs are smaller than 2^52 bytes"
)]
fn size(place: &Path) -> Outcome<()> {
    let mut sizes = [0.0; 3];
    for (name, size) in CRATES.iter().zip(&mut sizes) {
        build(place, name, "release", "size")?;
        let program = format!("size-{name}{}", std::env::consts::EXE_SUFFIX);
        *size = fs::metadata(place.join("target/release").join(program))?.len() as f64;
    }
    let [base, serialize, auditable] = sizes;
    let each = |size: f64| (size - base) / STRUCTS as f64;
    row(
        "build/size/per-struct",
        each(auditable),
        each(serialize),
        "B",
        Budget::None,
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
    let target = match target {
        "lib" => "--lib".to_owned(),
        program => format!("--bin {program}-{name}"),
    };
    // The shell's `times` tells the user time of its children in the second line.
    let script = format!("cargo {action} --quiet --offline -p {name} {target} && times");
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(place)
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_TARGET_DIR", place.join("target"))
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
        .join("../..")
        .canonicalize()?;
    let path = root.to_str().ok_or("the checkout's path is not UTF-8")?;
    fs::write(
        place.join("Cargo.toml"),
        "[workspace]\nresolver = \"3\"\nmembers = [\"base\", \"serialize\", \"auditable\"]\n\
         [profile.release]\nstrip = \"symbols\"\n",
    )?;
    // The versions of this workspace, so that nothing is looked up.
    fs::copy(root.join("Cargo.lock"), place.join("Cargo.lock"))?;
    for name in CRATES {
        let folder = place.join(name);
        fs::create_dir_all(folder.join("src"))?;
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [[bin]]\nname = \"used-{name}\"\npath = \"src/used.rs\"\n\
             [[bin]]\nname = \"size-{name}\"\npath = \"src/size.rs\"\n[dependencies]\n\
             auditlog = {{ path = {path:?} }}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\nserde_json = \"1\"\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        let structs = structs(name)?;
        fs::write(folder.join("src/lib.rs"), &structs)?;
        fs::write(
            folder.join("src/used.rs"),
            format!("{structs}{}", used(name)?),
        )?;
        fs::write(
            folder.join("src/size.rs"),
            format!("{structs}{}", sized(name)?),
        )?;
    }
    Ok(())
}

/// The structs, of twelve fields each.
fn structs(name: &str) -> Outcome<String> {
    let derive = match name {
        "serialize" => ", serde::Serialize",
        "auditable" => ", auditlog::Auditable",
        _ => "",
    };
    let mut text = String::new();
    for number in 0..STRUCTS {
        writeln!(
            text,
            "#[derive(Clone, PartialEq, Debug, Default{derive})]\npub struct Model{number} {{\
             pub id: u64, pub name: String, pub email: String, pub phone: String,\
             pub street: String, pub city: String, pub count: i64, pub size: u32,\
             pub active: bool, pub ratio: f64, pub note: String, pub rank: i32 }}",
        )?;
    }
    Ok(text)
}

/// A program that does with every struct all that its derive is for.
fn used(name: &str) -> Outcome<String> {
    let mut text = "fn main() {\n".to_owned();
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
    Ok(text)
}

/// A program that differs from the others only by what it does with each struct: all of them
/// hold what the libraries need for values of the fields' types.
fn sized(name: &str) -> Outcome<String> {
    let work = match name {
        "serialize" => "black_box(serde_json::to_string(&old).unwrap());",
        "auditable" => "black_box(auditlog::diff(&old, &new));",
        _ => "",
    };
    let mut text = "use std::hint::black_box;\n\
        fn both<T: serde::Serialize + auditlog::AuditValue>(value: T) {\n\
        black_box(serde_json::to_string(&value).unwrap());\n\
        black_box(auditlog::diff(&value, black_box(&value)));\n}\n\
        fn main() {\nboth(0_u64); both(String::new()); both(0_i64); both(0_u32);\n\
        both(true); both(0.0_f64); both(0_i32); both(vec![String::new()]);\n"
        .to_owned();
    for number in 0..STRUCTS {
        writeln!(text, "use{number}();")?;
    }
    text.push_str("}\n");
    for number in 0..STRUCTS {
        writeln!(
            text,
            "#[inline(never)]\nfn use{number}() {{ let (old, new) = \
             black_box((Model{number}::default(), Model{number}::default())); {work}\n\
             drop((old, new)); }}"
        )?;
    }
    Ok(text)
}
