-- The graph of one tenant. Names stand without a schema: the migration sets the search path.

-- Current state. `attributes` is the expanded form of model.Entity. It carries no index of its own, so that a
-- measurement is a heap-only update; the free space in each page is what makes room for it. Up to a page it is not
-- compressed: that cost a third of each update.
CREATE TABLE entity (
    id text COLLATE "C" PRIMARY KEY,
    types text[] NOT NULL,
    scopes text[] NOT NULL DEFAULT '{}',
    attributes jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    modified_at timestamptz NOT NULL
) WITH (fillfactor = 70, toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX entity_types ON entity USING gin (types);

-- One row per geometry of a GeoProperty: a box in degrees for the index, WKB for the exact answer.
CREATE TABLE place (
    entity_id text COLLATE "C" NOT NULL,
    attribute text NOT NULL,
    dataset text NOT NULL,
    area box NOT NULL,
    geometry bytea NOT NULL,
    PRIMARY KEY (entity_id, attribute, dataset)
);
CREATE INDEX place_area ON place USING gist (attribute, area);

-- A series is one attribute instance over time: same entity, attribute, dataset, unit, and the same kind of time
-- (observedAt where the device told it, else the moment of arrival).
CREATE TABLE series (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id text COLLATE "C" NOT NULL,
    attribute text NOT NULL,
    dataset text NOT NULL,
    unit text NOT NULL,
    observed boolean NOT NULL,
    UNIQUE (entity_id, attribute, dataset, unit, observed)
);

-- Hot history by day of arrival: an import of old values or a device with a wrong clock opens no new partition.
-- A plain number has `value` only; whatever else an instance may carry stands in `instance`.
CREATE TABLE history (
    series bigint NOT NULL,
    at timestamptz NOT NULL,
    arrived timestamptz NOT NULL DEFAULT now(),
    value double precision,
    instance jsonb
) PARTITION BY RANGE (arrived);
CREATE INDEX history_series_at ON history (series, at);
CREATE TABLE history_default PARTITION OF history DEFAULT;

-- Cold history: plain numbers of one series and month in arrays. An offset counts ticks of `tick` microseconds after
-- at0: four bytes each in `offsets`, or eight in `wide` where a fine clock needs them. Sums stand ready for long
-- aggregates.
CREATE TABLE chunk (
    series bigint NOT NULL,
    month date NOT NULL,
    at0 timestamptz NOT NULL,
    at1 timestamptz NOT NULL,
    n integer NOT NULL,
    vmin double precision NOT NULL,
    vmax double precision NOT NULL,
    vsum double precision NOT NULL,
    tick integer NOT NULL,
    offsets integer[],
    wide bigint[],
    values double precision[] NOT NULL,
    PRIMARY KEY (series, month),
    CHECK ((offsets IS NULL) <> (wide IS NULL))
);

-- Cold history that is not a plain number: rows, for good.
CREATE TABLE history_rows (
    series bigint NOT NULL,
    at timestamptz NOT NULL,
    arrived timestamptz NOT NULL,
    value double precision,
    instance jsonb NOT NULL
);
CREATE INDEX history_rows_series_at ON history_rows (series, at);

-- Changes to be told, written in the transaction that made them.
CREATE SEQUENCE change_id;
CREATE TABLE outbox (
    id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    change bytea NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX outbox_id ON outbox (id);
CREATE TABLE outbox_default PARTITION OF outbox DEFAULT WITH (toast_tuple_target = 8160);

-- How far a reader of the changes has come: the relay, and each named watch.
CREATE TABLE position (
    reader text PRIMARY KEY,
    change_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);

-- Deliveries that were applied, so that a redelivery changes nothing.
CREATE TABLE delivery (
    id text COLLATE "C" PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX delivery_at ON delivery USING brin (at);

-- What came in and could not be mapped: kept whole, with the reason.
CREATE TABLE unmapped (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    source text NOT NULL,
    topic text NOT NULL,
    payload bytea NOT NULL,
    reason text NOT NULL,
    delivery text UNIQUE
);

-- Who did what in administration and in apps; written in the same transaction as the deed.
CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'
);

-- Remote @contexts, fetched once.
CREATE TABLE context (
    url text PRIMARY KEY,
    document jsonb NOT NULL,
    fetched_at timestamptz NOT NULL DEFAULT now()
);
