-- What lamps used, day by day in the city's time zone. Seconds and watt-hours.

CREATE TABLE energy_place (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    district text NOT NULL,
    groups text[] NOT NULL,
    UNIQUE (district, groups)
);

CREATE TABLE energy_day (
    lamp text NOT NULL,
    day date NOT NULL,
    place integer NOT NULL REFERENCES energy_place, -- where the lamp belonged when the day was counted
    measured_seconds real NOT NULL,
    estimated_seconds real NOT NULL,
    unknown_seconds real NOT NULL,
    measured_wh double precision NOT NULL,
    estimated_wh double precision NOT NULL,
    burning_seconds real NOT NULL,
    baseline_wh double precision,                   -- null: the rated power is not known
    PRIMARY KEY (lamp, day)
);
CREATE INDEX ON energy_day (day);

CREATE TABLE energy_area_day (
    kind text NOT NULL CHECK (kind IN ('city', 'district', 'group')),
    area text NOT NULL,                             -- '' for the city, and for lamps without a district
    day date NOT NULL,
    lamps integer NOT NULL,
    measured_seconds double precision NOT NULL,
    estimated_seconds double precision NOT NULL,
    unknown_seconds double precision NOT NULL,
    measured_wh double precision NOT NULL,
    estimated_wh double precision NOT NULL,
    burning_seconds double precision NOT NULL,
    baseline_wh double precision NOT NULL,
    compared_wh double precision NOT NULL,          -- used by those lamps that have a baseline
    PRIMARY KEY (kind, area, day)
);
CREATE INDEX ON energy_area_day (kind, day);

CREATE TABLE energy_counted (
    day date PRIMARY KEY,
    counted_at timestamptz NOT NULL,
    lamps integer NOT NULL
);

-- What a kilowatt-hour costs (ct) and how much CO₂ it stands for (g), from a day on, to a day or to the next one's.
CREATE TABLE energy_factor (
    kind text NOT NULL CHECK (kind IN ('price', 'co2')),
    since date NOT NULL,
    until date CHECK (until >= since),              -- its last day
    value double precision NOT NULL CHECK (value >= 0),
    source text NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    PRIMARY KEY (kind, since)
);
