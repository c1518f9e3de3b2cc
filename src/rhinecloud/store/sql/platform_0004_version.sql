-- Which versions of the program served these data, and when last (docs/decisions/0030-keeping.md).
CREATE TABLE rhinecloud.version (
    rhinecloud text PRIMARY KEY,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at timestamptz NOT NULL DEFAULT now()
);
