record_image_ne(ROW(o.{column}), ROW(n.{column}))
    AND NOT ({may_be_same} AND {schema}.audit_same(o.{column}, n.{column}))
    AND {schema}.audit_value(o.{column}) <> {schema}.audit_value(n.{column})
