-- Faults of lamps and of what feeds them, with evidence; and the work orders that follow.

-- What the city calls a fault; none: as usual (faults/thresholds.py).
CREATE TABLE fault_threshold (
    body jsonb NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one)
);

-- What single lamps have: from this the watch goes on after it was ended.
CREATE TABLE fault_sign (
    lamp text NOT NULL,
    kind text NOT NULL,
    since timestamptz NOT NULL,
    found_at timestamptz NOT NULL,
    evidence jsonb NOT NULL,
    PRIMARY KEY (lamp, kind)
);

-- What people hear of: faults of lamps, feeders and cabinets.
CREATE TABLE fault (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope text NOT NULL CHECK (scope IN ('lamp', 'feeder', 'cabinet')),
    subject text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,                  -- as staff call the lamp, feeder or cabinet
    device text,
    lamps text[] NOT NULL,
    since timestamptz NOT NULL,
    found_at timestamptz NOT NULL,
    evidence jsonb NOT NULL,
    ended_at timestamptz,
    ending text CHECK (ending IN ('over', 'merged')),
    told boolean NOT NULL DEFAULT false  -- whether the house's alarms say so, too
);
CREATE UNIQUE INDEX fault_open ON fault (scope, subject, kind) WHERE ended_at IS NULL;
CREATE INDEX ON fault (found_at);
CREATE INDEX ON fault USING gin (lamps);
CREATE INDEX fault_untold ON fault (number) WHERE NOT told;

-- Who goes: a crew, an organisation or a role. Never a person, and never where they are.
CREATE TABLE work_crew (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('organisation', 'role')),
    active boolean NOT NULL DEFAULT true
);

-- Faults of these kinds become orders by themselves.
CREATE TABLE work_rule (
    kind text PRIMARY KEY,
    crew bigint REFERENCES work_crew,
    days integer NOT NULL DEFAULT 7 CHECK (days BETWEEN 0 AND 365)
);

CREATE TABLE work_order (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fault bigint REFERENCES fault,
    subject text NOT NULL,               -- urn of the lamp or cabinet, or the feeder
    name text NOT NULL,
    task text NOT NULL,
    state text NOT NULL CHECK (state IN ('new', 'assigned', 'on_the_way', 'done', 'verified', 'withdrawn')),
    crew bigint REFERENCES work_crew,
    due date,
    reopened integer NOT NULL DEFAULT 0,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    done_at timestamptz,
    closed_at timestamptz                -- verified or withdrawn
);
CREATE UNIQUE INDEX work_order_of_fault ON work_order (fault) WHERE closed_at IS NULL;
CREATE INDEX ON work_order (state, due);
CREATE INDEX ON work_order (subject);

-- What became of an order, and what was noted; each entry once, however often a phone sends it.
CREATE TABLE work_entry (
    key uuid PRIMARY KEY,
    "order" bigint NOT NULL REFERENCES work_order ON DELETE CASCADE,
    at timestamptz NOT NULL,             -- when it was received
    entered_at timestamptz NOT NULL,     -- when it was entered, perhaps without a network
    actor text NOT NULL,
    event text NOT NULL,
    state text NOT NULL,                 -- after it
    refused boolean NOT NULL DEFAULT false, -- it came too late to change the state
    note text NOT NULL DEFAULT '',
    files uuid[] NOT NULL DEFAULT '{}'
);
CREATE INDEX ON work_entry ("order", at);
