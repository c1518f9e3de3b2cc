-- "Choose your group": the draw, and who got which place.

-- The secret of a draw; its hash stands in poll.rule. `word` is what the hall gave, once.
CREATE TABLE draw (
    poll bigint PRIMARY KEY REFERENCES poll ON DELETE CASCADE,
    seed bytea NOT NULL CHECK (length(seed) = 32),
    word text
);

-- In which way the places of a poll were given, from when they are published on. `version` grows with each change.
CREATE TABLE published (
    poll bigint PRIMARY KEY REFERENCES poll ON DELETE CASCADE,
    way text NOT NULL CHECK (way IN ('lot', 'arrival', 'solver')),
    version integer NOT NULL DEFAULT 1,
    published_at timestamptz NOT NULL
);

-- Where each who voted stands: a place by the wish of this rank, or none yet. `position` in the order of the draw or of
-- arrival. Who waits for what follows from wishes and rank; `stays`: for nothing any more. `gone`: gave the place up, or
-- wants none. `told`: whether a letter says so, where there is an address.
CREATE TABLE placement (
    poll bigint NOT NULL REFERENCES published ON DELETE CASCADE,
    event bigint NOT NULL,
    participant uuid NOT NULL,
    ticket text NOT NULL,
    kind text NOT NULL,
    position integer NOT NULL,
    wishes bigint[] NOT NULL,
    rank integer CHECK (rank BETWEEN 1 AND cardinality(wishes)),
    stays boolean NOT NULL DEFAULT false,
    gone boolean NOT NULL DEFAULT false,
    told boolean NOT NULL DEFAULT false,
    PRIMARY KEY (poll, participant),
    UNIQUE (poll, position),
    FOREIGN KEY (event, participant) REFERENCES participant ON DELETE CASCADE,
    CHECK (NOT gone OR rank IS NULL)
);
CREATE INDEX placement_of_participant ON placement (event, participant);
CREATE INDEX placement_untold ON placement (poll) WHERE NOT told;
