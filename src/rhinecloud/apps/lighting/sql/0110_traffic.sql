-- Class by volume: where traffic is counted, and what the counts ask for now. Counts are sums of entities of the graph.

CREATE TABLE traffic_counter (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what text NOT NULL CHECK (what IN ('street', 'group')),
    subject text NOT NULL,              -- name of the street, id of the group of lamps
    entity text NOT NULL,               -- TrafficFlowObserved
    minutes integer CHECK (minutes BETWEEN 1 AND 1440), -- of a count, where the entity does not say
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    UNIQUE (what, subject, entity)
);

CREATE TABLE traffic_standing (
    place text NOT NULL,                -- street or group
    program text NOT NULL,
    down smallint NOT NULL,             -- classes less light
    since double precision NOT NULL,    -- of `down`; seconds since 1970, as all here
    begins double precision,            -- of what the count says; null: none that holds
    until double precision,
    vehicles double precision,          -- an hour
    threshold double precision,
    PRIMARY KEY (place, program)
);

-- One more with each change of what the counts ask for.
CREATE TABLE traffic_mark (
    revision bigint NOT NULL DEFAULT 0,
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one)
);
INSERT INTO traffic_mark DEFAULT VALUES;
