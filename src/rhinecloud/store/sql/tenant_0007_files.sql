-- Files: the content lies beside the database or in object storage under the file's id, and never changes there.

-- `app` and `subject` say what the file belongs to; the content is what `sha256` says.
CREATE TABLE file (
    id uuid PRIMARY KEY,
    app text NOT NULL,
    subject text NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    size bigint NOT NULL,
    sha256 bytea NOT NULL,
    width integer,
    height integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL
);
CREATE INDEX file_subject ON file (app, subject, created_at);

-- Content that is being stored and belongs to nobody yet. Written before the content, so that nothing can lie in the
-- storage without a row that names it.
CREATE TABLE file_arriving (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX file_arriving_at ON file_arriving (at);

-- Content of removed files: goes when it is due, and not before, so that a backup of the database finds it.
CREATE TABLE file_leaving (
    id uuid PRIMARY KEY,
    due_at timestamptz NOT NULL
);
CREATE INDEX file_leaving_due ON file_leaving (due_at);
