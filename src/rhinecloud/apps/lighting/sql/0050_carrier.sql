-- What hangs on posts, and what posts and feeders may give.

CREATE TABLE carried (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('charging_point', 'wifi', 'sensor', 'banner', 'other')),
    lamp text NOT NULL,
    name text NOT NULL,
    owner text NOT NULL,                -- an organisation
    contract text NOT NULL,
    since date NOT NULL,
    until date CHECK (until >= since),  -- its last day; null: open
    power double precision NOT NULL CHECK (power >= 0),
    by_day boolean NOT NULL,
    when_off text NOT NULL,
    when_replaced text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    removed_at timestamptz              -- null: it hangs
);
CREATE INDEX ON carried (lamp) WHERE removed_at IS NULL;

-- Whom to call. Apart from the rest, for it is let go long before.
CREATE TABLE carried_contact (
    carried bigint PRIMARY KEY REFERENCES carried ON DELETE CASCADE,
    name text NOT NULL,
    mail text NOT NULL,
    phone text NOT NULL,
    needed_until timestamptz            -- the end of the contract, or when it was taken down; null: open
);

-- Power beside the light, in W, of a post (its lamp) or a feeder (StreetlightFeeder, or cabinet:number).
CREATE TABLE supply (
    what text NOT NULL CHECK (what IN ('post', 'feeder')),
    subject text NOT NULL,
    watts double precision NOT NULL CHECK (watts >= 0),
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    PRIMARY KEY (what, subject)
);
