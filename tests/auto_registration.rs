//! Registration of all derived types (feature `auto`).

use auditlog::prelude::*;
use auditlog::{RegistrationError, testing};

#[derive(Auditable, Clone)]
struct Article {
    id: u32,
    #[audit(mask)]
    title: String,
}

#[derive(Auditable, Clone)]
struct Comment {
    id: u32,
}

mod other {
    #[derive(auditlog::Auditable)]
    #[audit(model = "other.Comment")]
    #[deprecated]
    pub(super) struct Comment {
        pub(super) id: u32,
    }
}

/// A value without identity, and a type with parameters, are not registered.
#[derive(Auditable, Clone)]
struct Address {
    city: String,
}

#[derive(Auditable, Clone)]
struct Page<T> {
    id: u32,
    of: T,
}

fn names(log: &AuditLog) -> Vec<&'static str> {
    log.registered()
        .iter()
        .map(|schema| schema.name())
        .collect()
}

#[test]
fn the_feature_alone_registers_nothing() {
    let audit = testing::capture();
    assert!(names(audit.log()).is_empty());
}

#[test]
fn all_derived_entities_are_registered() {
    let audit = testing::capture();
    auditlog::register_all();
    assert_eq!(names(audit.log()), ["Article", "Comment", "other.Comment"]);
    auditlog::created(&Comment { id: 1 }).record().unwrap();
    assert_eq!(audit.entries().len(), 1);
    let page = Page {
        id: 1,
        of: Address {
            city: "Mainz".into(),
        },
    };
    assert_eq!(page.of.city, "Mainz");
    assert!(!auditlog::created(&page).record().unwrap().is_recorded());
}

#[test]
fn options_and_what_was_unregistered_stay() {
    let audit = testing::capture();
    auditlog::unregister::<Comment>();
    auditlog::register_with::<Article>(|options| options.exclude("title")).unwrap();
    auditlog::try_register_all().unwrap();
    assert_eq!(names(audit.log()), ["Article", "other.Comment"]);
    let article = Article {
        id: 1,
        title: "a".into(),
    };
    auditlog::created(&article).record().unwrap();
    assert!(!audit.last().unwrap().changes.contains("title"));
    assert_eq!(auditlog::created(&Comment { id: 1 }).entry(), None);
    assert_eq!(audit.log().stats().unregistered, 0);
}

#[test]
fn a_model_name_that_is_taken_is_an_error() {
    /// Has the model name of another type.
    #[derive(Clone)]
    struct Taken;
    impl auditlog::AuditValue for Taken {
        fn snapshot(&self, _: &mut auditlog::Snapshot<'_>) -> serde_json::Value {
            serde_json::Value::Null
        }
    }
    impl auditlog::Auditable for Taken {
        const MODEL: &'static str = "Article";
        fn object_pk(&self) -> String {
            "1".to_owned()
        }
    }
    let audit = testing::capture();
    auditlog::register::<Taken>();
    let error = auditlog::try_register_all().unwrap_err();
    assert!(
        matches!(error, RegistrationError::ModelTaken { .. }),
        "{error}"
    );
    assert_eq!(names(audit.log()), ["Article", "Comment", "other.Comment"]);
}
