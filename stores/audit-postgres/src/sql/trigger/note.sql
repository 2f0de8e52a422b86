INSERT INTO {schema}.audit_touched (
    xact, at, transaction_id, action, model, object_pk, actor, role, application
)
SELECT pg_current_xact_id()::text::bigint + {schema}.audit_xact_base(), clock_timestamp(),
    {schema}.audit_transaction_id(), '{action}', {schema}.audit_key({model}), {pk},
    {schema}.audit_key({schema}.audit_setting('actor')), session_user,
    coalesce(current_setting('application_name', true), ''){from};
