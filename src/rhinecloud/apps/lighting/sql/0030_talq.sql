-- Gateways that speak TALQ 2.7.1, what they said of themselves, and what is wanted of them.

-- The city's own address as a CMS (TALQ 2.7.1, 3.3).
CREATE TABLE talq_cms (
    address uuid NOT NULL DEFAULT gen_random_uuid(),
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one)
);
INSERT INTO talq_cms DEFAULT VALUES;

CREATE TABLE talq_gateway (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    key_hash bytea NOT NULL UNIQUE,
    cabinet text,                       -- urn: only lamps of this cabinet are believed to be behind it
    stage text NOT NULL DEFAULT 'admitted'
        CHECK (stage IN ('admitted', 'announced', 'classed', 'located', 'serviced', 'ready')),
    address uuid UNIQUE,                -- given by us when it announces itself
    uri text,
    vendor text,
    services jsonb NOT NULL DEFAULT '[]',
    read_at timestamptz,                -- when we last read all its devices
    heard_at timestamptz,
    admitted_at timestamptz NOT NULL DEFAULT now(),
    admitted_by text NOT NULL
);

CREATE TABLE talq_class (
    gateway bigint NOT NULL REFERENCES talq_gateway ON DELETE CASCADE,
    name text NOT NULL,
    document jsonb NOT NULL,
    PRIMARY KEY (gateway, name)
);

CREATE TABLE talq_device (
    address uuid PRIMARY KEY,
    gateway bigint NOT NULL REFERENCES talq_gateway ON DELETE CASCADE,
    name text NOT NULL,
    class text NOT NULL,
    functions jsonb NOT NULL DEFAULT '[]',
    asset text,                         -- BasicFunction.assetId
    lamp text UNIQUE,                   -- urn of the Streetlight that it is in
    calendar text                       -- LampActuatorFunction.calendarID as the gateway last said it
);
CREATE INDEX ON talq_device (gateway);
CREATE INDEX ON talq_device (asset) WHERE lamp IS NULL;

-- The whole plan that a gateway shall have: one row, the newest wins.
CREATE TABLE talq_plan (
    gateway bigint PRIMARY KEY REFERENCES talq_gateway ON DELETE CASCADE,
    version bigint NOT NULL,
    body jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('asked', 'sent', 'confirmed', 'contradicted', 'timed_out')),
    actor text NOT NULL,
    asked_at timestamptz NOT NULL,
    sent_at timestamptz,
    settled_at timestamptz,
    due_at timestamptz NOT NULL,
    next_at timestamptz,                -- when it is looked after next; null: when something happens
    attempts integer NOT NULL DEFAULT 0,
    trouble text
);
CREATE INDEX ON talq_plan (next_at) WHERE next_at IS NOT NULL;

-- What is wanted of a device beside its calendar; one row a device, the newest wins.
CREATE TABLE talq_override (
    device uuid PRIMARY KEY REFERENCES talq_device ON DELETE CASCADE,
    gateway bigint NOT NULL REFERENCES talq_gateway ON DELETE CASCADE,
    version bigint NOT NULL,
    level smallint CHECK (level BETWEEN 0 AND 100),  -- null: back to the calendar
    ends timestamptz,
    state text NOT NULL CHECK (state IN ('asked', 'sent', 'confirmed', 'contradicted', 'timed_out')),
    actor text NOT NULL,
    asked_at timestamptz NOT NULL,
    sent_at timestamptz,
    settled_at timestamptz,
    due_at timestamptz NOT NULL,
    next_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    trouble text
);
CREATE INDEX ON talq_override (gateway);
CREATE INDEX ON talq_override (next_at) WHERE next_at IS NOT NULL;

-- Entries of reports that nobody could believe: the newest of each gateway.
CREATE TABLE talq_refused (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway bigint NOT NULL REFERENCES talq_gateway ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    reason text NOT NULL,
    entry jsonb NOT NULL
);
CREATE INDEX ON talq_refused (gateway, number);
