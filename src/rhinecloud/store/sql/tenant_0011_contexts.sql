-- One way: the table of contexts is made anew in another form.
-- The @contexts that the broker keeps (CIM 009 §5.13): Cached ones under the URL they came from, Hosted and
-- ImplicitlyCreated ones under their id alone. A document is kept as it was written, so it is no jsonb.
CREATE SEQUENCE context_version;
ALTER TABLE context RENAME TO context_before;
ALTER TABLE context_before RENAME CONSTRAINT context_pkey TO context_before_pkey;
CREATE TABLE context (
    id text COLLATE "C" PRIMARY KEY DEFAULT 'urn:uuid:' || gen_random_uuid(),
    kind text NOT NULL CHECK (kind IN ('Cached', 'Hosted', 'ImplicitlyCreated')),
    url text COLLATE "C" UNIQUE CHECK ((url IS NOT NULL) = (kind = 'Cached')),
    document json NOT NULL,
    digest bytea UNIQUE CHECK (digest IS NULL OR kind = 'ImplicitlyCreated'),
    version bigint NOT NULL DEFAULT nextval('context_version'),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    used_at timestamptz,
    hits bigint NOT NULL DEFAULT 0,
    problem text
);
INSERT INTO context (kind, url, document, created_at, expires_at)
    SELECT 'Cached', url, document, fetched_at, fetched_at + interval '1 day' FROM context_before;
DROP TABLE context_before;
CREATE INDEX context_listed ON context (created_at, id);
CREATE INDEX context_expiring ON context (expires_at) WHERE expires_at IS NOT NULL;

-- Who fetches what at this moment, so that all workers together ask once; with a problem, what has just failed.
CREATE UNLOGGED TABLE context_fetch (
    url text COLLATE "C" PRIMARY KEY,
    until timestamptz NOT NULL,
    problem text
);

-- An ImplicitlyCreated @context lives as long as a subscription names it: a URL that ends with its id (45 characters).
CREATE INDEX subscription_jsonld_context ON subscription (right(document ->> 'jsonldContext', 45));
