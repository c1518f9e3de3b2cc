-- Zones of light on demand, what each detector raises, and how TALQ gateways carry it.

CREATE TABLE demand_zone (
    id text PRIMARY KEY,
    body jsonb NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL
);

-- What each detector raises in the whole city by the newest table: a table of its own, JSON, deflated.
CREATE TABLE demand_reach (
    detector text PRIMARY KEY,
    version bigint NOT NULL REFERENCES demand_table ON DELETE CASCADE,
    lamps integer NOT NULL,
    body bytea NOT NULL
);

-- What a TALQ gateway was asked to do of it: as dynamic controls of its programs.
CREATE TABLE demand_talq (
    gateway bigint PRIMARY KEY REFERENCES talq_gateway ON DELETE CASCADE,
    sensors integer NOT NULL,           -- behind the gateway, of detectors that raise its lamps
    detectors integer NOT NULL,         -- all that raise its lamps
    lamps integer NOT NULL,             -- that one of the sensors raises
    trouble jsonb,                      -- why it is not sent: German, English
    told_at timestamptz NOT NULL
);

-- Devices whose light follows who passes: what they say of it is not recorded. Outlives what a gateway says of itself.
CREATE TABLE talq_quiet (
    device uuid PRIMARY KEY,
    gateway bigint NOT NULL REFERENCES talq_gateway ON DELETE CASCADE
);
CREATE INDEX ON talq_quiet (gateway);
