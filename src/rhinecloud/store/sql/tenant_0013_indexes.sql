-- What of an entity does not change with each measurement, as hashes (see store.facts, which fills the column for the
-- rows that are there): one inverted index for equality, existence and scopes. Measurements leave it alone.
ALTER TABLE entity ADD COLUMN facts integer[] NOT NULL DEFAULT '{}';
CREATE INDEX entity_facts ON entity USING gin (facts);

-- For orders and ranges of createdAt.
CREATE INDEX entity_created ON entity (created_at, id);
