//! Values that nest 10,000 levels deep cause a typed error instead of a stack overflow.

use audit_core::__private::{MaskedWith, no_fields};
use audit_core::backend::MAX_DEPTH;
use audit_core::{
    AuditValue, Change, Changes, Diff, FieldSchema, Mask, Snapshot, ValueError, diff, snapshot,
    try_diff, try_snapshot,
};
use serde_json::{Value, json};

const DEPTH: usize = 10_000;

/// Runs on the stack that a test thread has by default, whatever `RUST_MIN_STACK` says.
fn in_two_mebibytes(test: fn()) {
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    thread.spawn(test).unwrap().join().unwrap();
}

/// A type that contains itself in every way that the derive supports.
#[derive(Default)]
struct Tree {
    label: u32,
    child: Option<Box<Tree>>,
    children: Vec<Tree>,
    whole: Option<Box<Tree>>,
    masked: Option<Box<Tree>>,
    masked_with: Option<Box<Tree>>,
    flat: Option<Box<Tree>>,
}

const TREE: &[FieldSchema] = &[
    FieldSchema::new("label", no_fields),
    FieldSchema::new("child", no_fields),
    FieldSchema::new("children", no_fields),
    FieldSchema::new("whole", no_fields).whole(),
    FieldSchema::new("masked", no_fields).with_mask(Mask::All),
    FieldSchema::new("masked_with", no_fields).with_mask(Mask::Custom),
    FieldSchema::flattened("flat", no_fields, no_fields),
];

impl AuditValue for Tree {
    const COMPOSITE: bool = true;

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        cx.object(|object| {
            object.visit(&TREE[0], &self.label);
            object.visit_optional(&TREE[1], self.child.as_ref());
            object.visit(&TREE[2], &self.children);
            object.visit(&TREE[3], &self.whole);
            object.visit(&TREE[4], &self.masked);
            object.visit(&TREE[5], &MaskedWith(&self.masked_with, hidden));
            object.visit(&TREE[6], &self.flat);
        })
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        cx.visit(&TREE[0], &self.label, &new.label);
        cx.visit_optional(&TREE[1], self.child.as_ref(), new.child.as_ref());
        cx.visit(&TREE[2], &self.children, &new.children);
        cx.visit(&TREE[3], &self.whole, &new.whole);
        cx.visit(&TREE[4], &self.masked, &new.masked);
        cx.visit(
            &TREE[5],
            &MaskedWith(&self.masked_with, hidden),
            &MaskedWith(&new.masked_with, hidden),
        );
        cx.visit(&TREE[6], &self.flat, &new.flat);
    }
}

#[expect(clippy::ref_option, reason = "the form that `mask_with` calls")]
fn hidden(_: &Option<Box<Tree>>) -> Value {
    "***".into()
}

/// A newtype that contains itself.
#[derive(Default)]
struct Chain(Option<Box<Chain>>);

const CHAIN: &[FieldSchema] = &[FieldSchema::inline("0", no_fields)];

impl AuditValue for Chain {
    const COMPOSITE: bool = true;

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        cx.field_value(&CHAIN[0], &self.0)
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        cx.visit(&CHAIN[0], &self.0, &new.0);
    }
}

fn nest(levels: usize, label: u32, hold: fn(Tree) -> Tree) -> Tree {
    let leaf = Tree {
        label,
        ..Tree::default()
    };
    (0..levels).fold(leaf, |tree, _| hold(tree))
}

/// `Drop` recurses and is not under test.
fn forget<T>(value: T) {
    std::mem::forget(value);
}

const FORMS: [fn(Tree) -> Tree; 7] = [
    |tree| Tree {
        child: Some(Box::new(tree)),
        ..Tree::default()
    },
    |tree| Tree {
        children: vec![tree],
        ..Tree::default()
    },
    |tree| Tree {
        children: vec![Tree::default(), tree, Tree::default()],
        ..Tree::default()
    },
    |tree| Tree {
        whole: Some(Box::new(tree)),
        ..Tree::default()
    },
    |tree| Tree {
        masked: Some(Box::new(tree)),
        ..Tree::default()
    },
    |tree| Tree {
        masked_with: Some(Box::new(tree)),
        ..Tree::default()
    },
    |tree| Tree {
        flat: Some(Box::new(tree)),
        ..Tree::default()
    },
];

fn is_too_deep<T>(result: &Result<T, ValueError>) -> bool {
    matches!(
        result,
        Err(ValueError::TooDeep {
            limit: MAX_DEPTH,
            ..
        })
    )
}

#[test]
fn deep_trees_are_a_typed_error() {
    in_two_mebibytes(|| {
        for (form, hold) in FORMS.into_iter().enumerate() {
            let (a, b) = (nest(DEPTH, 1, hold), nest(DEPTH, 2, hold));
            assert!(!a.same(&b), "form {form}");
            // The snapshot does not contain the masked value.
            if form != 5 {
                assert!(is_too_deep(&try_snapshot(&a)), "form {form}");
                assert!(is_too_deep(&try_diff(&a, &b)), "form {form}");
            }
            let lists = (vec![&a], vec![&b, &a]);
            assert!(!lists.0.same(&lists.1));
            if form != 5 {
                assert!(is_too_deep(&try_diff(&lists.0, &lists.1)), "form {form}");
            }
            forget((a, b));
        }
        let chain = || (0..DEPTH).fold(Chain::default(), |chain, _| Chain(Some(Box::new(chain))));
        let (a, b) = (chain(), chain());
        assert!(is_too_deep(&try_snapshot(&a)) && is_too_deep(&try_diff(&a, &b)));
        forget((a, b));
    });
}

#[test]
fn values_at_the_limit_are_recorded() {
    in_two_mebibytes(|| {
        let hold = FORMS[0];
        let (a, b) = (nest(MAX_DEPTH - 2, 1, hold), nest(MAX_DEPTH - 2, 2, hold));
        let changes = diff(&a, &b);
        assert_eq!(changes.len(), 1);
        let mut state = snapshot(&a);
        changes.apply(&mut state).unwrap();
        assert_eq!(state, snapshot(&b));
        assert_eq!(changes.invert().invert(), changes);
        assert!(changes.compose(&changes.invert()).is_empty());
        let stored = serde_json::to_string(&changes).unwrap();
        assert_eq!(serde_json::from_str::<Changes>(&stored).unwrap(), changes);
        let patch = serde_json::from_value::<json_patch::Patch>(changes.to_json_patch()).unwrap();
        let mut state = snapshot(&a);
        json_patch::patch(&mut state, &patch).unwrap();
        assert_eq!(state, snapshot(&b));

        let error = try_diff(&nest(MAX_DEPTH, 1, hold), &nest(MAX_DEPTH, 2, hold)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("it nests deeper than 100 levels, at `child.child")
        );
    });
}

fn deep_json(end: u8) -> Value {
    (0..DEPTH).fold(json!(end), |value, level| {
        if level % 2 == 0 {
            Value::Array(vec![value])
        } else {
            Value::Object(serde_json::Map::from_iter([("a".to_owned(), value)]))
        }
    })
}

#[test]
fn deep_json_is_a_typed_error() {
    in_two_mebibytes(|| {
        let (a, b) = (deep_json(1), deep_json(2));
        assert!(is_too_deep(&try_snapshot(&a)));
        assert!(is_too_deep(&try_diff(&a, &b)));
        assert!(!a.same(&b));
        forget((a, b));
    });
}

#[test]
fn changes_built_from_deep_values_do_not_overflow_the_stack() {
    in_two_mebibytes(|| {
        let change = |path: String, old, new| {
            let change = Change::new(path.parse().unwrap(), old, new);
            Changes::from_iter([change])
        };
        let values = change("a".to_owned(), Some(deep_json(1)), Some(deep_json(2)));
        let path = change(vec!["a"; DEPTH].join("."), None, Some(json!(1)));
        for changes in [values, path] {
            // Not `json!`, which serializes what it is given.
            let object = serde_json::Map::from_iter([("a".to_owned(), deep_json(1))]);
            let mut state = Value::Object(object);
            let refused = changes.apply(&mut state);
            assert!(refused.is_err());
            forget(refused);
            forget(changes.conflicts(&state));
            forget(changes.rebase(&state));
            let inverse = changes.invert();
            assert_eq!(inverse.len(), 1);
            forget(changes.compose(&inverse));
            forget(changes.to_json_patch());
            assert!(!changes.to_string().is_empty() && !format!("{changes:?}").is_empty());
            let error = serde_json::to_string(&changes);
            assert!(error.is_err() || changes.paths().all(|path| path.len() > 1));
            forget((changes, inverse, state));
        }
    });
}
