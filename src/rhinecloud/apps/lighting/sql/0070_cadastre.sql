-- Files for the cadastre, from their trial until a day later.
CREATE TABLE cadastre_file (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL,
    name text NOT NULL,
    crs text NOT NULL,
    content bytea NOT NULL,
    state text NOT NULL DEFAULT 'tried' CHECK (state IN ('tried', 'waiting', 'taking', 'taken', 'failed')),
    fit integer NOT NULL,           -- lines that make an entity
    fresh integer NOT NULL,         -- of these, entities that were not there
    refused integer NOT NULL,
    problems jsonb NOT NULL,        -- [[line, German, English], …], the first of them
    example jsonb,                  -- the first entity
    done integer NOT NULL DEFAULT 0,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX cadastre_file_at ON cadastre_file (at);
