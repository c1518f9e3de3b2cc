-- Entities that are no more, of which the history remains: an id stands here or in `entity`, or there is no history.
CREATE TABLE deleted_entity (
    id text COLLATE "C" PRIMARY KEY,
    types text[] NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz NOT NULL
);
