//! Stub implementations besides errors, so that one mistake causes one error instead of another
//! one at every use of the type.

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::ast::{Container, Data};
use crate::expand;

/// Emits stubs that compile for any type:
///
/// ```text
/// impl AuditValue for User {
///     fn snapshot(&self, _: &mut Snapshot<'_>) -> Value { loop {} }
/// }
/// impl Auditable for User { /* likewise */ }
/// ```
pub(crate) fn expand(input: &DeriveInput, container: Option<&Container<'_>>) -> TokenStream {
    let ident = &input.ident;
    let (params, arguments, clause) = input.generics.split_for_impl();
    // A union, which has no container, gets both stubs, so that it causes only one error.
    let is_value = container.is_some_and(|container| {
        container.settings.value || matches!(container.data, Data::Enum(..))
    });
    let entity = (!is_value).then(|| {
        quote! {
            #[automatically_derived]
            impl #params __audit::Auditable for #ident #arguments #clause {
                const MODEL: &'static ::core::primitive::str = "";
                fn object_pk(&self) -> __audit::String { loop {} }
                fn object_repr(&self) -> __audit::String { loop {} }
                fn schema() -> &'static __audit::ModelSchema { loop {} }
            }
        }
    });
    let crate_path = container.and_then(|container| container.settings.crate_path.as_ref());
    expand::in_scope(
        crate_path,
        &quote! {
            #[automatically_derived]
            impl #params __audit::AuditValue for #ident #arguments #clause {
                fn snapshot(&self, _: &mut __audit::Snapshot<'_>) -> __audit::Value { loop {} }
            }
            #entity
        },
    )
}
