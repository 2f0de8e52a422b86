//! The template of `repr = "..."`, parsed at compile time.

use syn::LitStr;

use crate::errors::Errors;

/// A piece of the template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    /// The field at this index.
    Field(usize),
}

/// Parses a template. `find` returns the index of a field; errors are reported on the literal.
pub(crate) fn parse(
    literal: &LitStr,
    errors: &mut Errors,
    find: impl Fn(&str, &mut Errors) -> Option<usize>,
) -> Vec<Piece> {
    let pieces = match split(&literal.value()) {
        Ok(pieces) => pieces,
        Err(message) => {
            errors.at(literal, message);
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for piece in pieces {
        match piece {
            Split::Text(text) => found.push(Piece::Text(text)),
            Split::Name(name) => {
                found.extend(find(&name, errors).map(Piece::Field));
            }
        }
    }
    found
}

#[derive(Debug, PartialEq, Eq)]
enum Split {
    Text(String),
    Name(String),
}

fn split(template: &str) -> Result<Vec<Split>, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut letters = template.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '{' | '}' if letters.peek() == Some(&letter) => {
                letters.next();
                text.push(letter);
            }
            '{' => {
                let mut name = String::new();
                loop {
                    match letters.next() {
                        Some('}') => break,
                        None | Some('{') => {
                            return Err("a `{` is not closed; write `{{` for a brace".to_owned());
                        }
                        Some(letter) => name.push(letter),
                    }
                }
                if !text.is_empty() {
                    pieces.push(Split::Text(std::mem::take(&mut text)));
                }
                pieces.push(Split::Name(field_name(&name)?));
            }
            '}' => return Err("a `}` is not opened; write `}}` for a brace".to_owned()),
            _ => text.push(letter),
        }
    }
    if !text.is_empty() {
        pieces.push(Split::Text(text));
    }
    Ok(pieces)
}

fn field_name(inside: &str) -> Result<String, String> {
    let name = inside.trim();
    if name.is_empty() {
        return Err("`{}` names no field; write the field's name between the braces".to_owned());
    }
    if let Some((name, _)) = name.split_once(':') {
        return Err(format!(
            "format specifications are not supported in `repr`; write `{{{name}}}`"
        ));
    }
    Ok(name.strip_prefix("r#").unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Split, split};

    fn text(text: &str) -> Split {
        Split::Text(text.to_owned())
    }

    fn name(name: &str) -> Split {
        Split::Name(name.to_owned())
    }

    #[test]
    fn splits_text_and_names() {
        assert_eq!(
            split("{username} <{ email }>"),
            Ok(vec![name("username"), text(" <"), name("email"), text(">")])
        );
        assert_eq!(split(""), Ok(vec![]));
        assert_eq!(split("{r#type}"), Ok(vec![name("type")]));
    }

    #[test]
    fn doubled_braces_stand_for_one() {
        assert_eq!(split("{{{a}}}"), Ok(vec![text("{"), name("a"), text("}")]));
    }

    #[test]
    fn malformed_braces_are_named() {
        for template in ["{", "a}", "{a", "{a{b}}", "{}", "{a:?}", "}{"] {
            assert!(split(template).is_err(), "{template}");
        }
    }
}
