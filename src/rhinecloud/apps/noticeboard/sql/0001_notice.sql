-- What was posted. A notice hangs until it is withdrawn, or to the end of its last day; its row is the record of it.
CREATE TABLE notice (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title text NOT NULL,
    text text NOT NULL,
    until date NOT NULL,
    author text NOT NULL,
    posted_at timestamptz NOT NULL DEFAULT now(),
    withdrawn_at timestamptz
);
CREATE INDEX notice_hanging ON notice (posted_at) WHERE withdrawn_at IS NULL;
