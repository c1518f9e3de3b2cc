-- The plan of the city's light: a draft that is edited, versions that were applied, overrides, and each lamp's target.

CREATE TABLE program (
    id text PRIMARY KEY,
    body jsonb NOT NULL,
    version integer NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL
);

CREATE TABLE calendar (
    id text PRIMARY KEY,
    body jsonb NOT NULL,
    version integer NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL
);

CREATE TABLE lamp_group (
    id text PRIMARY KEY,
    body jsonb NOT NULL,
    version integer NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL
);

CREATE TABLE law_rule (
    id text PRIMARY KEY,
    body jsonb NOT NULL,
    version integer NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL
);

-- Which calendar lamps have: ordered lines, the first that speaks of a lamp counts.
CREATE TABLE assignment (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    place integer NOT NULL,
    what text NOT NULL CHECK (what IN ('lamp', 'group')),
    subject text NOT NULL,
    calendar text NOT NULL REFERENCES calendar,
    changed_by text NOT NULL,
    UNIQUE (what, subject)
);

-- What was applied: the whole plan as it was then. The newest counts.
CREATE TABLE plan (
    version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body jsonb NOT NULL,
    digest text NOT NULL,
    lamps integer NOT NULL,
    applied_at timestamptz NOT NULL,
    applied_by text NOT NULL,
    gateways integer,                   -- that were asked for another plan; null: not asked yet
    trouble jsonb NOT NULL DEFAULT '[]' -- why gateways were not asked
);

CREATE TABLE override (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what text NOT NULL CHECK (what IN ('lamp', 'group')),
    subject text NOT NULL,
    lamps text[] NOT NULL,              -- whom it was for when it was made
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 100),
    begins timestamptz NOT NULL,
    ends timestamptz NOT NULL CHECK (ends > begins),
    reason text NOT NULL,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL,
    ended_by text                       -- who ended it before its time (`ends` is then)
);
CREATE INDEX ON override (ends);
CREATE INDEX ON override USING gin (lamps);

-- What is known of each lamp, what it should be doing, and what became of telling it.
CREATE TABLE target (
    lamp text PRIMARY KEY,
    facts jsonb NOT NULL,
    device text,                        -- it speaks MQTT itself; null: a gateway keeps its calendar, or nobody does
    calendar text,
    plan bigint NOT NULL REFERENCES plan,
    version bigint NOT NULL DEFAULT 0,  -- of the target: one more with each other level
    level double precision,
    since timestamptz,
    until timestamptz,
    why json,
    computed_at timestamptz,            -- the instant that the level is for: never replaced by that of an earlier one
    state text CHECK (state IN ('asked', 'sent', 'confirmed', 'contradicted', 'timed_out')),
    wanted bigint,                      -- the version of the wanted state of the device
    asked_at timestamptz,
    sent_at timestamptz,
    settled_at timestamptz,
    trouble text
);
CREATE INDEX ON target (state) WHERE state IS NOT NULL;

-- One more with each change of what targets follow from, the plan apart: lamps, overrides.
CREATE TABLE planning_mark (
    revision bigint NOT NULL DEFAULT 0,
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one)
);
INSERT INTO planning_mark DEFAULT VALUES;

-- The rules that the law makes (control/rules.py: DEFAULTS).
INSERT INTO law_rule (id, body, changed_at, changed_by) VALUES
    ('sign-394', '{"id":"sign-394","name":["Ohne Zeichen 394 (Laternenring) brennt die Leuchte die ganze Nacht (§ 17 Abs. 4, Anlage 3 StVO)","without sign 394 a lamp shines all night (StVO § 17 (4), annex 3)"],"rule":{"kind":"part_night_needs_sign_394","categories":["road","parking","bridge","centralIsland","tunnel","sidewalk"],"level":10,"grace":15},"severity":"refuse","active":true}', now(), 'lighting'),
    ('crossing', '{"id":"crossing","name":["Fußgängerüberwege bleiben beleuchtet (§ 26 StVO, R-FGÜ 2001 Nr. 3.4)","pedestrian crossings stay lit (StVO § 26, R-FGÜ 2001 no. 3.4)"],"rule":{"kind":"crossing_stays_lit","categories":["crossing"],"level":100,"grace":15},"severity":"refuse","active":true}', now(), 'lighting');
