-- Each tenant has a role of its own that owns its schema and can reach nothing else. The password is random; whoever may
-- read this table may become any tenant anyway. A tenant that is being removed keeps its row until nothing is left of it.
ALTER TABLE rhinecloud.tenant
    ADD COLUMN role text UNIQUE,
    ADD COLUMN password text,
    ADD COLUMN leaving_since timestamptz;
