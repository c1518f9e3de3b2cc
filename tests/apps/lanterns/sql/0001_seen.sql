-- What the watch was told, in its order, as often as it was told it.
CREATE TABLE seen (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    change bigint NOT NULL,
    lantern text NOT NULL,
    before integer,
    after integer
);
