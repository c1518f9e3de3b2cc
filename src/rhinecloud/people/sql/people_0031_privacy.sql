-- Whom an erasure was about is kept as a keyed hash: it can be found again in a restored backup, and by nobody else.
-- The key is as old as the installation, so that every backup has it.
CREATE TABLE erasure_key (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    key bytea NOT NULL
);
INSERT INTO erasure_key (key) VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- The ledger of erasures; the same entries stand in a file that no restore replaces.
CREATE TABLE erasure (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    traces bytea[] NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now(),
    counts jsonb NOT NULL
);

-- Requests of people for their data. Who it was is forgotten when the request is closed.
CREATE TABLE data_request (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('access', 'export', 'correction', 'erasure')),
    opened_at timestamptz NOT NULL DEFAULT now(),
    opened_by text NOT NULL,
    account bigint,
    mails text[] NOT NULL DEFAULT '{}',
    devices text[] NOT NULL DEFAULT '{}',
    -- How staff made sure who asks; empty where somebody who signed in asks for themselves.
    identity text NOT NULL DEFAULT '',
    closed_at timestamptz,
    counts jsonb
);
CREATE INDEX data_request_open ON data_request (id) WHERE closed_at IS NULL;
CREATE INDEX data_request_account ON data_request (account) WHERE account IS NOT NULL;

-- A copy of somebody's data, to be fetched for a day with a secret.
CREATE TABLE data_copy (
    request bigint PRIMARY KEY REFERENCES data_request ON DELETE CASCADE,
    hash bytea NOT NULL UNIQUE,
    file uuid,
    expires_at timestamptz NOT NULL
);
CREATE INDEX data_copy_expires ON data_copy (expires_at);
