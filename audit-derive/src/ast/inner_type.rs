//! The inner type of types written as `Option<T>`, `Vec<T>`, `Box<T>` or the like.

use syn::{GenericArgument, PathArguments, Type};

/// The kind of a type that wraps another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapper {
    Option,
    /// A list.
    Items,
    Pointer,
}

/// Returns `T` of a type written as `Option<T>`.
pub(crate) fn option_inner(ty: &Type) -> Option<&Type> {
    match inner_type(ty)? {
        (Wrapper::Option, inner) => Some(inner),
        _ => None,
    }
}

/// Returns `T` of a type written as `Option<T>`, `Vec<T>`, `Box<T>` or the like.
pub(crate) fn inner_type(ty: &Type) -> Option<(Wrapper, &Type)> {
    let path = match ty {
        Type::Group(group) => return inner_type(&group.elem),
        Type::Paren(paren) => return inner_type(&paren.elem),
        Type::Array(array) => return Some((Wrapper::Items, &array.elem)),
        Type::Slice(slice) => return Some((Wrapper::Items, &slice.elem)),
        Type::Path(path) if path.qself.is_none() => &path.path,
        _ => return None,
    };
    let last = path.segments.last()?;
    let holds = match last.ident.to_string().as_str() {
        "Option" => Wrapper::Option,
        "Vec" | "VecDeque" => Wrapper::Items,
        "Box" | "Rc" | "Arc" => Wrapper::Pointer,
        _ => return None,
    };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) if arguments.args.len() == 1 => Some((holds, inner)),
        _ => None,
    }
}
