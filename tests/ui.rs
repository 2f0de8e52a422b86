//! What the derive says of mistakes: each case of `tests/ui` beside the errors it must give.
//!
//! `TRYBUILD=overwrite cargo test -p audit-tests --test ui` writes the expected errors anew; read them then.
//! Another compiler words its own errors otherwise, so the cases run on the one that
//! `rust-toolchain` or CI pins.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    for theme in [
        "unknown-attribute",
        "duplicate",
        "misplaced",
        "conflict",
        "malformed",
        "precondition",
        "bounds",
        "form",
        "repr",
    ] {
        cases.compile_fail(format!("ui/{theme}/*.rs"));
    }
}
