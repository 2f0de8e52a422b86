//! Tuples: arrays of fixed length, compared item by item.

use serde_json::Value;

use crate::value::AuditValue;
use crate::value::capture::Tag;
use crate::value::diff::Diff;
use crate::value::fields::indexed_field;
use crate::value::schema::FieldSchema;
use crate::value::snapshot::Snapshot;

macro_rules! tuples {
    ($(($($item:ident $index:tt),+))*) => {$(
        impl<$($item: AuditValue),+> AuditValue for ($($item,)+) {
            const COMPOSITE: bool = true;

            #[inline]
            fn same(&self, other: &Self) -> bool {
                $(self.$index.same(&other.$index))&&+
            }

            fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
                cx.nested(|cx| {
                    let items = Value::Array(vec![$(self.$index.snapshot(cx)),+]);
                    cx.tagged(Tag::Tuple, items)
                })
            }

            fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
                $(cx.item($index, &self.$index, &new.$index);)+
            }

            fn fields() -> &'static [FieldSchema] {
                const { &[$(indexed_field($index, stringify!($index), $item::AS_FIELD)),+] }
            }
        }
    )*};
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
}
