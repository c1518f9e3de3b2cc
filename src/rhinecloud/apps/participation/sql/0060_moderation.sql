-- What people write is looked after: reports, what was hidden and why, appeals.

-- What anybody reports of a thing ("proposal:12"). `theme_group`: whose moderators may decide, too. `mail` is where the
-- decision is told, and goes with it.
CREATE TABLE report (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text NOT NULL CHECK (subject ~ '^[a-z]+:[1-9][0-9]*$'),
    theme_group bigint,
    reason text NOT NULL CHECK (reason IN ('insult', 'personal', 'advertising', 'untrue', 'other')),
    text text NOT NULL CHECK (length(text) <= 2000),
    reported_by text,
    mail text,
    language text NOT NULL DEFAULT 'de',
    reported_at timestamptz NOT NULL,
    decision text CHECK (decision IN ('hidden', 'left')),
    decided_at timestamptz,
    CHECK ((decision IS NULL) = (decided_at IS NULL)),
    CHECK (mail IS NULL OR decision IS NULL)
);
CREATE INDEX report_open ON report (reported_at) WHERE decision IS NULL;
CREATE INDEX report_subject ON report (subject);

-- What was hidden and why; `author` as the thing named them then. They appeal once: `appeal_key` is the SHA-256 of what
-- the link in their letter holds.
CREATE TABLE hiding (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject text NOT NULL CHECK (subject ~ '^[a-z]+:[1-9][0-9]*$'),
    theme_group bigint,
    reason text NOT NULL CHECK (reason IN ('insult', 'personal', 'advertising', 'untrue', 'other')),
    text text NOT NULL CHECK (length(text) <= 2000),
    hidden_at timestamptz NOT NULL,
    author text,
    appeal_key bytea NOT NULL CHECK (length(appeal_key) = 32),
    appeal text CHECK (length(appeal) <= 4000),
    appealed_at timestamptz,
    decision text CHECK (decision IN ('restored', 'stays')),
    decision_text text CHECK (length(decision_text) <= 2000),
    decided_at timestamptz,
    restored_at timestamptz,
    CHECK ((decision IS NULL) = (decided_at IS NULL)),
    CHECK ((decision IS NOT DISTINCT FROM 'restored') = (restored_at IS NOT NULL))
);
CREATE UNIQUE INDEX hiding_now ON hiding (subject) WHERE restored_at IS NULL;
CREATE INDEX hiding_appealed ON hiding (appealed_at) WHERE appealed_at IS NOT NULL AND decided_at IS NULL;

-- Who hid it, and so does not decide about the appeal.
CREATE TABLE hider (
    hiding bigint PRIMARY KEY REFERENCES hiding ON DELETE CASCADE,
    actor text NOT NULL
);

-- Who asked for news of groups by mail: an account, or an address that was confirmed by a link (`consented_at`).
-- `told_until`: what is newer was not told yet; it moves on in the transaction that queues the letter. `key` stands in
-- links of the letters; `address` is where the city was reached when they asked.
CREATE TABLE digest (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text UNIQUE,
    mail text,
    language text NOT NULL,
    every text NOT NULL CHECK (every IN ('day', 'week')),
    theme_groups bigint[] NOT NULL CHECK (cardinality(theme_groups) BETWEEN 1 AND 500),
    address text NOT NULL,
    key bytea NOT NULL CHECK (length(key) = 16),
    asked_at timestamptz NOT NULL,
    consented_at timestamptz,
    told_until timestamptz NOT NULL,
    CHECK ((account IS NULL) <> (mail IS NULL)),
    CHECK (account IS NULL OR consented_at IS NOT NULL)
);
CREATE UNIQUE INDEX digest_mail ON digest (lower(mail));
