//! The derive macro of `auditlog`: [`#[derive(Auditable)]`](macro@Auditable).
//!
//! One file or folder for each stage:
//! - `ast` borrows the type and keeps its source.
//! - `attr` and `symbol` parse `#[audit(...)]`, `setting` interprets it, and `serde_attr` reads
//!   serde's attributes.
//! - `check` has the rules.
//! - `bound` finds the bounds, `expand` emits the code, and `fallback` emits stubs besides errors.

mod ast;
mod attr;
mod bound;
mod case;
mod check;
mod errors;
mod expand;
mod fallback;
mod repr;
mod serde_attr;
mod setting;
mod suggest;
mod symbol;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

use crate::ast::Container;
use crate::errors::Errors;

#[doc = include_str!("../ATTRIBUTES.md")]
#[proc_macro_derive(Auditable, attributes(audit))]
pub fn derive_auditable(input: TokenStream) -> TokenStream {
    derive(&parse_macro_input!(input as DeriveInput)).into()
}

fn derive(input: &DeriveInput) -> proc_macro2::TokenStream {
    let mut errors = Errors::default();
    let container = Container::read(input, &mut errors);
    if let Some(container) = &container {
        check::all(container, &mut errors);
        if errors.is_empty() {
            return expand::expand(container);
        }
    }
    let mut output = fallback::expand(input, container.as_ref());
    output.extend(errors.into_compile_errors());
    output
}
