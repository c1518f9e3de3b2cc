-- What may be read of the graph, and by whom. Who does not see everything sees what stands here, and nothing else.
CREATE TABLE publication (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- `anyone`, `signed-in`, `organisation:3`, `role:member`.
    audience text NOT NULL,
    -- Empty means any.
    types text[] NOT NULL,
    scopes text[] NOT NULL,
    attributes text[] NOT NULL,
    made_by text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    until timestamptz,
    withdrawn_by text
);
CREATE INDEX publication_until ON publication (until);
