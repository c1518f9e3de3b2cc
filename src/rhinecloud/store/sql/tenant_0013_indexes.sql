-- What of an entity does not change with each measurement, as hashes (see store.facts, which fills the column for the
-- rows that are there): one inverted index for equality, existence and scopes. Measurements leave it alone.
ALTER TABLE entity ADD COLUMN facts integer[] NOT NULL DEFAULT '{}';
-- What is new waits in a list that each query reads through, so that it is kept short.
CREATE INDEX entity_facts ON entity USING gin (facts) WITH (gin_pending_list_limit = 256);

-- How often each fact is found is what a query is planned by. Measurements do not change it, so that they need not be
-- the reason to count again.
ALTER TABLE entity ALTER COLUMN facts SET STATISTICS 300;
ALTER TABLE entity SET (autovacuum_analyze_scale_factor = 0.5);

-- For orders and ranges of createdAt.
CREATE INDEX entity_created ON entity (created_at, id);

-- Rankings: values of one path in their order, for paths that are in fact asked for by range or order (store.rankings
-- makes and forgets them). `instances` leads to the instances of the attribute, `member` is one of theirs (null: their
-- value), `members` lead into it. Without `instances` it is modifiedAt, in microseconds.
CREATE TABLE ranking (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path text NOT NULL UNIQUE,
    instances jsonpath,
    member text,
    members text[] NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    ready boolean NOT NULL DEFAULT false
);

-- Each ranking has a partition, hence statistics of its own. `standing`: the value by which the entity is ordered.
CREATE TABLE ranked (
    ranking integer NOT NULL,
    entity_id text COLLATE "C" NOT NULL,
    number numeric,
    text text COLLATE "C",
    standing boolean NOT NULL
) PARTITION BY LIST (ranking);
CREATE INDEX ranked_number ON ranked (number, entity_id) WHERE number IS NOT NULL;
CREATE INDEX ranked_text ON ranked (text, entity_id) WHERE text IS NOT NULL;
CREATE INDEX ranked_entity ON ranked (entity_id);

-- Numbers and texts (their beginnings) that an entity says on a path: also those in a list and in a typed literal.
CREATE FUNCTION ranked_values(attributes jsonb, modified_at timestamptz, kind ranking)
RETURNS TABLE (number numeric, text text, standing boolean) LANGUAGE sql STABLE AS $$
    SELECT extract(epoch FROM modified_at) * 1000000, NULL, true WHERE kind.instances IS NULL
    UNION ALL
    SELECT CASE jsonb_typeof(value) WHEN 'number' THEN value::numeric END,
           CASE jsonb_typeof(value) WHEN 'string'
                THEN left(CASE WHEN kind.member LIKE '%At' THEN rtrim(value #>> '{}', 'Z') ELSE value #>> '{}' END, 256)
           END,
           first AND alone
    FROM (
        SELECT instance,
               (CASE WHEN kind.member IS NOT NULL THEN instance -> kind.member
                     ELSE coalesce(instance -> 'value', instance -> 'object', instance -> 'vocab', instance -> 'json',
                                   instance -> 'languageMap', instance -> 'valueList', instance -> 'objectList')
                END) #> kind.members AS whole,
               CASE WHEN bool_or(NOT instance ? 'datasetId') OVER () THEN NOT instance ? 'datasetId' ELSE n = 1 END
                   AS first
        FROM jsonb_path_query(attributes, kind.instances) WITH ORDINALITY AS i (instance, n)
    ) AS said,
    LATERAL (
        SELECT one, jsonb_typeof(whole) NOT IN ('array', 'object') FROM jsonb_path_query(whole, '$[*]') AS one
        UNION ALL
        SELECT one, jsonb_typeof(whole) = 'object' AND jsonb_typeof(whole -> '@value') NOT IN ('array', 'object')
        FROM jsonb_path_query(whole, '$."@value"[*]') AS one
        UNION ALL
        SELECT one, false FROM jsonb_path_query(instance -> 'languageMap', '$.*[*]') AS one
        WHERE kind.member IS NULL AND kind.members = '{}'
    ) AS inner_value (value, alone)
    WHERE jsonb_typeof(value) IN ('number', 'string')
$$;
