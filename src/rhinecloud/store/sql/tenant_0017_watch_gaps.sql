-- What a durable watch will never be told, because the outbox forgot it before the watch came that far.
CREATE TABLE watch_gap (
    reader text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    first_change bigint NOT NULL,
    last_change bigint NOT NULL,
    told_at timestamptz
);
CREATE UNIQUE INDEX watch_gap_untold ON watch_gap (reader) WHERE told_at IS NULL;
