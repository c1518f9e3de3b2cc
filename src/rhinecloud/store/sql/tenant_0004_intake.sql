-- Not one way: older programs still find what they write.
-- Messages that could not be mapped: of what kind, by which profile, of which device; what came of replaying them.

-- `pattern` is the topic filter of the profile's pattern (of the first level where no profile has the topic), `cause` the
-- reason without what differs from message to message: by these they are grouped. `arrived` is when the message came
-- in, `at` when it was kept.
ALTER TABLE unmapped
    ADD COLUMN kind text NOT NULL DEFAULT 'payload',
    ADD COLUMN profile text NOT NULL DEFAULT '',
    ADD COLUMN pattern text NOT NULL DEFAULT '',
    ADD COLUMN cause text NOT NULL DEFAULT '',
    ADD COLUMN device text COLLATE "C",
    ADD COLUMN arrived timestamptz,
    ADD COLUMN tried_at timestamptz,
    ADD COLUMN tries integer NOT NULL DEFAULT 0;
UPDATE unmapped SET arrived = at, cause = left(reason, 200), pattern = split_part(topic, '/', 1) || '/#';
ALTER TABLE unmapped ALTER COLUMN arrived SET NOT NULL, ALTER COLUMN arrived SET DEFAULT now();
CREATE INDEX unmapped_group ON unmapped (kind, profile, pattern, cause, id);
CREATE INDEX unmapped_at ON unmapped USING brin (at);
CREATE INDEX unmapped_device ON unmapped (device, id) WHERE device IS NOT NULL;
