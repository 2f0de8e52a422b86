//! The derive's code meets names and lints that are not its own.

#![deny(warnings, missing_docs, clippy::pedantic, unused_qualifications)]
#![expect(
    dead_code,
    unreachable_pub,
    reason = "the types are only there to be derived for"
)]

use auditlog::{Auditable as _, diff, snapshot};
use serde_json::json;

/// Nothing of the prelude is in scope, and its names mean something else.
#[no_implicit_prelude]
mod no_prelude {
    use ::auditlog::Auditable;

    pub struct Result;
    pub struct Option;
    pub struct String;
    pub struct Vec;
    pub struct Box;
    pub struct Some;
    pub struct None;
    pub struct Ok;
    pub struct Err;
    pub struct From;
    pub struct Into;
    pub struct Value;
    pub trait AuditValue {}
    #[allow(non_camel_case_types)]
    pub struct bool;
    #[allow(non_camel_case_types)]
    pub struct str;

    #[derive(Auditable)]
    #[audit(
        repr = "{name} {type}",
        parent(Root, key = "root"),
        levels(create = "info")
    )]
    #[audit(actions(create))]
    pub struct Entity {
        #[audit(id)]
        pub number: u64,
        #[audit(id)]
        pub r#type: u8,
        pub name: ::std::string::String,
        pub root: u8,
        #[audit(skip)]
        pub skipped: Vec,
        #[audit(skip_none)]
        pub maybe: ::core::option::Option<u8>,
        #[audit(skip_none, display)]
        pub shown: ::core::option::Option<u8>,
        #[audit(with = ::core::clone::Clone::clone)]
        pub with: u8,
        #[audit(mask_with = ::core::clone::Clone::clone)]
        pub masked: u8,
        #[audit(set)]
        pub set: ::std::vec::Vec<u8>,
        #[audit(key = "type")]
        pub keyed: ::std::vec::Vec<Item>,
        #[audit(tolerance = 0.1)]
        pub near: f64,
        #[audit(tolerance = 0.1)]
        pub near_if_any: ::core::option::Option<f64>,
        #[audit(eq = ::core::cmp::PartialEq::eq)]
        pub equal: u8,
        pub choice: Choice,
    }

    #[derive(Auditable)]
    pub struct Root {
        pub id: u8,
    }

    #[derive(Auditable)]
    pub struct Item {
        pub r#type: u8,
    }

    #[derive(Auditable)]
    pub enum Choice {
        None,
        Some(u8),
        Pair(u8, u8),
        Named {
            r#type: u8,
            old: u8,
            new: u8,
            cx: u8,
            f: u8,
            self_: u8,
        },
    }

    #[derive(Auditable)]
    pub enum Names {
        Ok,
        Err,
    }

    #[derive(Auditable)]
    pub struct Newtype(u8);

    #[derive(Auditable)]
    pub struct Unit;

    #[derive(Auditable)]
    pub struct Generic<'a, T, const N: usize>
    where
        T: ::core::clone::Clone,
    {
        pub text: &'a ::core::primitive::str,
        pub list: [T; N],
    }
}

/// Fields called as the derive's own variables may be.
mod fields {
    use auditlog::Auditable;

    /// A struct.
    #[derive(Auditable)]
    pub struct Names {
        /// A key.
        pub id: u8,
        pub r#type: u8,
        pub r#self_: u8,
        pub old: u8,
        pub new: u8,
        pub cx: u8,
        pub o: u8,
        pub f: u8,
        pub r: u8,
        pub fields: u8,
        pub same: u8,
    }

    #[expect(clippy::unused_self, reason = "only their names matter")]
    impl Names {
        pub const FIELDS: u8 = 0;
        pub const MODEL: u8 = 0;
        pub const COMPOSITE: u8 = 0;

        pub fn diff(&self) {}
        pub fn same(&self) {}
        pub fn snapshot(&self) {}
        pub fn visit(&self) {}
        pub fn fields() {}
        pub fn schema() {}
        pub fn object_pk(&self) {}
        pub fn object_repr(&self) {}
        pub fn repr_into(&self) {}
        pub fn parent(&self) {}
    }

    pub trait Visit {
        fn visit(&self) {}
        fn changed(&self) {}
        fn map(&self) {}
        fn fields(&self) {}
        fn text(&self) {}
    }

    impl<T: ?Sized> Visit for T {}

    /// Uses the trait above, whose methods are called as those of the run-time.
    #[derive(Auditable)]
    pub struct Plain {
        #[audit(display)]
        pub id: u8,
        #[audit(eq = ::std::cmp::PartialEq::eq)]
        pub other: u8,
    }
}

/// Items called as the derive's own variables may be.
mod items {
    use auditlog::Auditable;

    #[allow(non_upper_case_globals)]
    pub const cx: u8 = 0;
    #[allow(non_upper_case_globals)]
    pub const new: u8 = 0;
    #[allow(non_upper_case_globals)]
    pub static o: u8 = 0;
    #[allow(non_camel_case_types)]
    pub struct f;

    #[derive(Auditable)]
    pub struct Entity {
        pub id: u8,
        pub name: String,
    }

    #[derive(Auditable)]
    pub enum Choice {
        A { x: u8 },
        B(u8),
    }
}

/// Structs made by `macro_rules`.
mod made {
    use auditlog::Auditable;

    macro_rules! entity {
        ($vis:vis $name:ident { $($field:ident: $ty:ty = $text:literal),* } by $id:ident) => {
            #[derive(Auditable)]
            #[audit(repr = "{count}", id($id))]
            $vis struct $name {
                $(#[audit(rename = $text)] $vis $field: $ty,)*
            }
        };
    }

    entity!(pub Made { key: String = "k", count: Option<u32> = "c" } by key);

    macro_rules! optional {
        ($name:ident, $ty:ty) => {
            #[derive(Auditable)]
            pub struct $name {
                #[audit(skip_none)]
                pub inner: $ty,
            }
        };
    }

    optional!(Optional, Option<u8>);
}

/// The crate under another name.
mod renamed_crate {
    use auditlog as renamed;

    #[derive(renamed::Auditable)]
    #[audit(crate = renamed)]
    pub struct Entity {
        pub id: u8,
    }

    pub mod nested {
        #[derive(auditlog::Auditable)]
        #[audit(crate = super::renamed)]
        pub enum Choice {
            A(u8),
            B,
        }
    }
}

/// Documented types, as `missing_docs` asks of public ones; deprecated and packed ones.
pub mod public {
    use auditlog::Auditable;

    /// An entity.
    #[derive(Auditable, Clone, Debug)]
    pub struct Entity<'a, T: Clone = u8, const N: usize = 1>
    where
        T: PartialEq,
    {
        /// The key.
        pub id: u8,
        /// A text.
        pub text: &'a str,
        /// A list.
        pub list: [T; N],
        /// No longer used.
        #[deprecated]
        pub former: u8,
    }

    /// A packed value.
    #[derive(Auditable, Clone, Copy)]
    #[repr(C, packed)]
    pub struct Packed {
        /// A byte.
        pub byte: u8,
        /// A number.
        pub number: u64,
    }

    /// Only what the function needs.
    #[derive(Auditable)]
    #[audit(bound = "T: Clone + auditlog::AuditValue")]
    pub struct Bound<T>(pub Vec<T>);

    /// An associated type is recorded, and its owner is not.
    #[derive(Auditable)]
    pub struct Associated<I: Iterator> {
        /// What comes next.
        pub next: Option<I::Item>,
        /// What came last.
        pub last: Option<<I as Iterator>::Item>,
    }
}

#[test]
fn shadowed_names_do_not_matter() {
    use no_prelude::{Choice, Entity, Item};
    let make = |kind| Entity {
        number: 1,
        r#type: kind,
        name: "n".into(),
        root: 3,
        skipped: no_prelude::Vec,
        maybe: None,
        shown: Some(1),
        with: 1,
        masked: 1,
        set: vec![1],
        keyed: vec![Item { r#type: 1 }],
        near: 1.0,
        near_if_any: None,
        equal: 1,
        choice: Choice::Named {
            r#type: kind,
            old: 0,
            new: 0,
            cx: 0,
            f: 0,
            self_: 0,
        },
    };
    assert_eq!(make(2).object_repr(), "n 2");
    assert_eq!(make(2).object_pk(), "1|2");
    let changes = diff(&make(2), &make(3));
    assert_eq!(changes["type"].new, Some(json!(3)));
    assert_eq!(changes["choice.Named.type"].new, Some(json!(3)));
    assert_eq!(changes.len(), 2);
}

#[test]
fn made_structs_work() {
    let made = made::Made {
        key: "k".into(),
        count: Some(4),
    };
    assert_eq!(
        (made.object_pk().as_str(), made.object_repr().as_str()),
        ("k", "4")
    );
    assert_eq!(snapshot(&made), json!({"k": "k", "c": 4}));
    assert_eq!(snapshot(&made::Optional { inner: None }), json!({}));
}

#[test]
fn packed_and_associated_types_work() {
    assert_eq!(
        snapshot(&public::Packed { byte: 1, number: 2 }),
        json!({"byte": 1, "number": 2})
    );
    let value = public::Associated::<std::ops::Range<u8>> {
        next: Some(1),
        last: None,
    };
    assert_eq!(snapshot(&value), json!({"next": 1, "last": null}));
}
