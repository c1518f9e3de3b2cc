-- Tokens with which programs act for an organisation. Shown once, kept as their SHA-256.

CREATE TABLE token (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash bytea NOT NULL UNIQUE,
    name text NOT NULL,
    -- Whose data it reads besides what is published; null for one that acts for no organisation.
    organisation bigint REFERENCES organisation ON DELETE CASCADE,
    -- Who made it: it may never do more than its maker may now. Null for one made by the machine's owner.
    account bigint REFERENCES account ON DELETE CASCADE,
    permissions text[] NOT NULL,
    -- What it reads at most; empty means any.
    types text[] NOT NULL DEFAULT '{}',
    scopes text[] NOT NULL DEFAULT '{}',
    attributes text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    -- The day, and no time: enough to find those that nobody needs.
    used_on date
);
CREATE INDEX token_account ON token (account);
CREATE INDEX token_organisation ON token (organisation);
CREATE INDEX token_expires ON token (expires_at);
