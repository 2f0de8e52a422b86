//! What a type holds, as far as its source tells: `Option<T>`, `Vec<T>`, `Box<T>`.

use syn::{GenericArgument, PathArguments, Type};

/// How a type holds values of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// One or none.
    Option,
    /// In a list.
    Items,
    /// One, behind a pointer.
    One,
}

/// Returns `T` of a type written as `Option<T>`.
pub(crate) fn held_by_option(ty: &Type) -> Option<&Type> {
    match held(ty)? {
        (Holds::Option, inner) => Some(inner),
        _ => None,
    }
}

/// Returns `T` of a type written as `Option<T>`, `Vec<T>`, `Box<T>` or the like.
pub(crate) fn held(ty: &Type) -> Option<(Holds, &Type)> {
    let path = match ty {
        Type::Group(group) => return held(&group.elem),
        Type::Paren(paren) => return held(&paren.elem),
        Type::Array(array) => return Some((Holds::Items, &array.elem)),
        Type::Slice(slice) => return Some((Holds::Items, &slice.elem)),
        Type::Path(path) if path.qself.is_none() => &path.path,
        _ => return None,
    };
    let last = path.segments.last()?;
    let holds = match last.ident.to_string().as_str() {
        "Option" => Holds::Option,
        "Vec" | "VecDeque" => Holds::Items,
        "Box" | "Rc" | "Arc" => Holds::One,
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
