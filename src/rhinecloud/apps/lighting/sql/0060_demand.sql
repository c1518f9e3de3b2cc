-- Light on demand: what it is set up with, and what was computed of it. There is no row for anybody who passes.

CREATE TABLE demand_roads (
    version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    ways bytea NOT NULL,                -- list of ways, JSON, deflated
    number integer NOT NULL,
    metres double precision NOT NULL,
    taken_at timestamptz NOT NULL,
    taken_by text NOT NULL
);

CREATE TABLE demand_detector (
    id text PRIMARY KEY,                -- that of the device
    body jsonb NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL
);

CREATE TABLE demand_profile (
    kind text PRIMARY KEY,
    body jsonb NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL
);

-- Field gateways that speak MQTT, and the revision of the table that each was asked to take.
CREATE TABLE demand_gateway (
    device text PRIMARY KEY,
    cabinet text NOT NULL UNIQUE,
    added_at timestamptz NOT NULL,
    added_by text NOT NULL,
    revision text,
    asked_at timestamptz,
    trouble text
);

-- One more with each change of what tables follow from.
CREATE TABLE demand_mark (
    revision bigint NOT NULL DEFAULT 0,
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one)
);
INSERT INTO demand_mark DEFAULT VALUES;

-- What was computed last; `mark` says of what.
CREATE TABLE demand_table (
    version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mark bigint NOT NULL,
    revision text NOT NULL,
    lamps integer NOT NULL,             -- ahead of a detector
    placed integer NOT NULL,            -- lamps with a road near them
    known integer NOT NULL,             -- all lamps
    detectors integer NOT NULL,
    seconds double precision NOT NULL,
    computed_at timestamptz NOT NULL
);

-- The parts of the newest table, by who runs them: platform, field:DEVICE, talq:NUMBER.
CREATE TABLE demand_part (
    runs text PRIMARY KEY,
    version bigint NOT NULL REFERENCES demand_table ON DELETE CASCADE,
    revision text NOT NULL,
    lamps integer NOT NULL,
    body bytea NOT NULL
);

-- Of the platform's part: the device of each lamp, and its street.
CREATE TABLE demand_lamp (
    lamp text PRIMARY KEY,
    device text NOT NULL,
    street text NOT NULL
);
