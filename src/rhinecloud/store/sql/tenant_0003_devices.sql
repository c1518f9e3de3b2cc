-- Devices, what they sign in with, what is asked of them, what is wrong with them; and a city's own profiles.

-- A device is what has an id, credentials and topics of its own. `publish` and `subscribe` are MQTT topic filters
-- besides those that its profile gives it. `version` is the newest version of its wanted state that was ever drawn.
CREATE TABLE device (
    id text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9._:-]{1,128}$'),
    name text NOT NULL DEFAULT '',
    profile text NOT NULL,
    type text NOT NULL,
    entity_id text COLLATE "C" NOT NULL,
    publish text[] NOT NULL DEFAULT '{}',
    subscribe text[] NOT NULL DEFAULT '{}',
    enabled boolean NOT NULL DEFAULT true,
    version bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz,
    detail jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 70);
CREATE INDEX device_entity ON device (entity_id);

-- SHA-256 of a random secret. Several are valid at a time, so that one can be replaced without a gap.
CREATE TABLE device_secret (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device text COLLATE "C" NOT NULL REFERENCES device ON DELETE CASCADE,
    hash bytea NOT NULL,
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz
);
CREATE INDEX device_secret_device ON device_secret (device);

-- What is wrong with a device, or with nobody in particular (device NULL): one open row of a kind, raised again it counts.
CREATE TABLE device_alarm (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device text COLLATE "C",
    kind text NOT NULL,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at timestamptz NOT NULL DEFAULT now(),
    times bigint NOT NULL DEFAULT 1,
    detail jsonb NOT NULL DEFAULT '{}',
    acknowledged_at timestamptz
);
CREATE UNIQUE INDEX device_alarm_open ON device_alarm (device, kind) NULLS NOT DISTINCT
    WHERE acknowledged_at IS NULL;
CREATE INDEX device_alarm_last ON device_alarm (last_at);

-- Profiles that the city wrote itself; those of the program are in the program.
CREATE TABLE profile (
    name text PRIMARY KEY,
    document jsonb NOT NULL,
    modified_at timestamptz NOT NULL DEFAULT now()
);

-- The wanted states of a device, one after the other: at most one is open. `next_at` is when the sender looks at it
-- again, `due_at` when it times out. `listening`: whether somebody was subscribed to the topic at the last attempt;
-- `heard`: whether the device said anything since.
CREATE TABLE wanted (
    device text COLLATE "C" NOT NULL REFERENCES device ON DELETE CASCADE,
    version bigint NOT NULL,
    wanted jsonb NOT NULL,
    state text NOT NULL CHECK (state IN ('wanted', 'sent', 'confirmed', 'failed', 'timed_out', 'superseded')),
    actor text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    sends integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    listening boolean NOT NULL DEFAULT false,
    heard boolean NOT NULL DEFAULT false,
    next_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL,
    ended_at timestamptz,
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (device, version),
    CHECK ((ended_at IS NULL) = (state IN ('wanted', 'sent')))
);
CREATE UNIQUE INDEX wanted_open ON wanted (device) WHERE ended_at IS NULL;
CREATE INDEX wanted_next ON wanted (next_at) WHERE ended_at IS NULL;
