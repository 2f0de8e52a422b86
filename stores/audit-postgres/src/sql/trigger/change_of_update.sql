CASE WHEN NOT record_image_ne(ROW(o.{column}), ROW(n.{column})) THEN NULL
    WHEN {may_be_same} AND {schema}.audit_same(o.{column}, n.{column}) THEN NULL
    ELSE {change} END
