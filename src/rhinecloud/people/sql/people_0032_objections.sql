-- One way: older programs know no requests of these kinds.
-- Somebody asks that their data be left alone for now (Art. 18 GDPR) or objects to what is done with them (Art. 21): what
-- people decide, and no job. `words` say about what, and why.
ALTER TABLE data_request
    DROP CONSTRAINT data_request_kind_check,
    ADD CONSTRAINT data_request_kind_check
        CHECK (kind IN ('access', 'export', 'correction', 'erasure', 'restriction', 'objection')),
    ADD COLUMN words text NOT NULL DEFAULT '';
