-- Events and their polls, who takes part, and what they chose.

-- `code` is short and stands on the stage; it admits nobody by itself unless admission is open. `key` signs invitation
-- codes and what phones keep. `current_poll` is what stage and phones show.
CREATE TABLE event (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE CHECK (code ~ '^[A-HJ-NP-Z2-9]{6}$'),
    title text NOT NULL,
    lead text NOT NULL DEFAULT '',
    admission text NOT NULL CHECK (admission IN ('invitation', 'seat', 'open')),
    expected integer NOT NULL DEFAULT 150 CHECK (expected BETWEEN 1 AND 100000),
    state text NOT NULL DEFAULT 'prepared' CHECK (state IN ('prepared', 'open', 'over')),
    key bytea NOT NULL,
    starts_at timestamptz,
    current_poll bigint,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

-- A poll. `secret`: whose a ballot is is kept for no longer than the vote is open. `results`: shown live, when the
-- organiser reveals them, or after closing. `rule` is what its kind needs (events/model.py).
CREATE TABLE poll (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event bigint NOT NULL REFERENCES event ON DELETE CASCADE,
    place integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('groups', 'single', 'multiple', 'scale', 'words', 'questions')),
    title text NOT NULL,
    explanation text NOT NULL DEFAULT '',
    secret boolean NOT NULL,
    results text NOT NULL CHECK (results IN ('live', 'reveal', 'closed')),
    state text NOT NULL DEFAULT 'prepared' CHECK (state IN ('prepared', 'open', 'closed')),
    revealed boolean NOT NULL DEFAULT false,
    rule jsonb NOT NULL,
    opened_at timestamptz,
    closed_at timestamptz
);
CREATE INDEX poll_of_event ON poll (event, place);
ALTER TABLE event ADD FOREIGN KEY (current_poll) REFERENCES poll ON DELETE SET NULL;

-- What can be chosen. `capacity` null: as many as like. Of it, `reserved` places are for kinds of organisations
-- ({"association": 5}).
CREATE TABLE option (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    poll bigint NOT NULL REFERENCES poll ON DELETE CASCADE,
    place integer NOT NULL,
    title text NOT NULL,
    capacity integer CHECK (capacity >= 0),
    reserved jsonb NOT NULL DEFAULT '{}',
    UNIQUE (poll, place)
);

-- Who was invited, or has a seat; numbered in each event, and a number is never used again: the code is signed, not
-- kept. `kind`: of organisation. `mailed`: whether a letter was written, null for not yet, false for no such address.
CREATE TABLE invitation (
    event bigint NOT NULL REFERENCES event ON DELETE CASCADE,
    number integer NOT NULL CHECK (number BETWEEN 1 AND 1048575),
    name text,
    mail text,
    organisation text,
    kind text NOT NULL DEFAULT 'person',
    revoked boolean NOT NULL DEFAULT false,
    mailed boolean,
    PRIMARY KEY (event, number)
);

-- Who takes part, from their first vote on: of an invitation or a seat, or a browser that came by the open link. There
-- is no time in it and no address. `on_paper`: entered at the helpers' desk.
CREATE TABLE participant (
    event bigint NOT NULL REFERENCES event ON DELETE CASCADE,
    id uuid NOT NULL,
    invitation integer,
    kind text NOT NULL DEFAULT 'person',
    on_paper boolean NOT NULL DEFAULT false,
    PRIMARY KEY (event, id),
    UNIQUE (event, invitation),
    FOREIGN KEY (event, invitation) REFERENCES invitation ON DELETE CASCADE
);

-- Named votes. `revision` grows with each change on the phone: an older one that comes late changes nothing. `arrival`
-- is the order of first votes, kept where places go by arrival.
CREATE TABLE vote (
    poll bigint NOT NULL REFERENCES poll ON DELETE CASCADE,
    event bigint NOT NULL,
    participant uuid NOT NULL,
    revision integer NOT NULL,
    choice jsonb NOT NULL,
    arrival bigint,
    PRIMARY KEY (poll, participant),
    FOREIGN KEY (event, participant) REFERENCES participant ON DELETE CASCADE
);
CREATE SEQUENCE vote_arrival;

-- Secret votes while a poll is open: one partition for each poll, whose file closing removes. `key` is the hash of
-- what lives on the phone only. `shown` is the choice as far as results have told it yet (in batches of at least ten).
CREATE TABLE ballot (
    poll bigint NOT NULL,
    key bytea NOT NULL,
    revision integer NOT NULL,
    choice jsonb NOT NULL,
    shown jsonb,
    PRIMARY KEY (poll, key)
) PARTITION BY LIST (poll);

-- Who has voted in a secret poll, while it is open; a partition for each poll, too.
CREATE TABLE voted (
    poll bigint NOT NULL,
    participant uuid NOT NULL,
    PRIMARY KEY (poll, participant)
) PARTITION BY LIST (poll);

-- Secret votes of closed polls, shuffled: nothing but what was chosen.
CREATE TABLE counted (
    poll bigint NOT NULL REFERENCES poll ON DELETE CASCADE,
    choice jsonb NOT NULL
);
CREATE INDEX counted_of_poll ON counted (poll);
