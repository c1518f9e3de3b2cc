-- Lamps behind LoRaWAN network servers, told together by class C multicast, and the schedule that each group should have.

CREATE TABLE lorawan_group (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    network text NOT NULL,              -- name of a network server in the operator's file
    multicast text NOT NULL,            -- ChirpStack: id of the multicast group; The Things Stack: its device
    port smallint NOT NULL CHECK (port BETWEEN 1 AND 223),
    lamps text NOT NULL,                -- id of the group of lamps that it is for
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    UNIQUE (network, multicast)
);

-- A lamp of the group, and what it last said of its schedule.
CREATE TABLE lorawan_member (
    lamp text PRIMARY KEY,
    grp bigint NOT NULL REFERENCES lorawan_group ON DELETE CASCADE,
    device text NOT NULL,               -- as the network server calls it
    state text NOT NULL DEFAULT 'unheard' CHECK (state IN ('unheard', 'older', 'wrong', 'verified')),
    heard_at timestamptz,               -- when the network heard the newest report
    version bigint,
    hash bigint,
    drift double precision,             -- seconds that its clock is ahead
    level double precision,             -- percent
    expected smallint[],                -- levels of the schedule around that time
    troubles text[] NOT NULL DEFAULT '{}',
    told integer NOT NULL DEFAULT 0     -- how often the newest version was sent to it alone
);
CREATE INDEX ON lorawan_member (grp);
CREATE INDEX ON lorawan_member (device);

-- The schedule that the lamps of a group should have: one row, the newest wins.
CREATE TABLE lorawan_schedule (
    grp bigint PRIMARY KEY REFERENCES lorawan_group ON DELETE CASCADE,
    version bigint NOT NULL,
    body bytea NOT NULL,
    plan bigint NOT NULL,
    calendar text NOT NULL,
    state text NOT NULL CHECK (state IN ('asked', 'sent', 'verified', 'incomplete')),
    asked_at timestamptz NOT NULL,
    sent_at timestamptz,
    settled_at timestamptz,
    rounds integer NOT NULL DEFAULT 0,  -- how often it was sent to all
    failures integer NOT NULL DEFAULT 0, -- of the network server, one after the other
    next_at timestamptz,                -- when it is looked after next; null: when something happens
    trouble text
);
CREATE INDEX ON lorawan_schedule (next_at) WHERE next_at IS NOT NULL;

-- Why a group has no schedule, or not that of the plan: German and English.
CREATE TABLE lorawan_refusal (
    grp bigint PRIMARY KEY REFERENCES lorawan_group ON DELETE CASCADE,
    german text NOT NULL,
    english text NOT NULL
);
