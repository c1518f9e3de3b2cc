-- The audit log is read by time, by actor, by act and by a part of the object, page after page: each has its order.
CREATE INDEX audit_at ON audit (at, id);
CREATE INDEX audit_actor ON audit (actor, at, id);
CREATE INDEX audit_action ON audit (action, at, id);
CREATE INDEX audit_subject ON audit USING gin (subject public.gin_trgm_ops);
