{schema}.audit_capture(
    '{action}', {model}, {version}, array_agg(r.pk), array_agg({repr} || r.pk), {parent_model},
    array_agg(r.parent), array_agg(r.counterpart), array_agg(r.changes), array_agg(r.fields),
    array_agg(r.level), NULL, {written}, {moment}
) FROM (
    SELECT s.pk, s.parent, s.counterpart, {changes} AS changes,
        {fields} AS fields,
        greatest({levels})::smallint AS level,
        (row_number() OVER () - 1) / 1000 AS batch
    FROM (
        SELECT {pk} AS pk, {parent} AS parent, {counterpart} AS counterpart{values}
        FROM {from} OFFSET 0
    ) AS s{condition}
) AS r GROUP BY r.batch
