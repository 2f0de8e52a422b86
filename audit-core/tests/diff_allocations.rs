//! Comparing equal values allocates nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use allocation_counter::measure;
use audit_core::__private::{AsSet, Keyed, no_fields};
use audit_core::{AuditValue, Diff, FieldSchema, Snapshot, try_diff};
use serde_json::{Value, json};

#[derive(Clone)]
struct Line {
    sku: String,
    tags: Vec<String>,
}

const LINE: &[FieldSchema] = &[
    FieldSchema::new("sku", no_fields),
    FieldSchema::new("tags", no_fields),
];

impl AuditValue for Line {
    const COMPOSITE: bool = true;

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        cx.object(|object| {
            object.visit(&LINE[0], &self.sku);
            object.visit(&LINE[1], &self.tags);
        })
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        cx.visit(&LINE[0], &self.sku, &new.sku);
        cx.visit(&LINE[1], &self.tags, &new.tags);
    }
}

fn allocations<T: AuditValue>(old: &T, new: &T) -> u64 {
    // The first look at a thread local may allocate.
    let _ = old.same(new);
    measure(|| assert!(try_diff(old, new).unwrap().is_empty())).count_total
}

fn keyed(lines: &[Line]) -> impl AuditValue + '_ {
    Keyed::new(lines, "sku", |line: &Line| &line.sku)
}

#[test]
fn comparing_equal_values_does_not_allocate() {
    let lines: Vec<Line> = (0..20)
        .map(|number| Line {
            sku: number.to_string(),
            tags: vec!["a".to_owned(), "b".to_owned()],
        })
        .collect();
    let again = lines.clone();
    assert_eq!(allocations(&lines, &again), 0);
    assert_eq!(allocations(&AsSet(&lines[..]), &AsSet(&again[..])), 0);
    assert_eq!(allocations(&keyed(&lines), &keyed(&again)), 0);

    let map: BTreeMap<String, Line> = lines
        .iter()
        .map(|line| (line.sku.clone(), line.clone()))
        .collect();
    assert_eq!(allocations(&map, &map.clone()), 0);
    let map: HashMap<String, Vec<Line>> = HashMap::from([("a".to_owned(), lines)]);
    assert_eq!(allocations(&map, &map.clone()), 0);
    let set: BTreeSet<u32> = (0..50).collect();
    assert_eq!(allocations(&set, &set.clone()), 0);
    let set: HashSet<u32> = (0..50).collect();
    assert_eq!(allocations(&set, &set.clone()), 0);
    let json = json!({"a": [1, 2, {"b": null}], "c": {"d": "e"}});
    assert_eq!(allocations(&json, &json.clone()), 0);
    let nested = (Some(1.5), [Some("a"), None], Box::new((1u128, 'x')));
    assert_eq!(allocations(&nested, &nested.clone()), 0);
}
