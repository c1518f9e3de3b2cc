-- Theme groups: who belongs to them, when they meet, what they have on paper.

-- `name` stands in addresses and never changes. `key` signs the links by which members without an account are known.
-- `option`: the group was chosen in this poll. `told`: what the graph was told last.
CREATE TABLE theme_group (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(name) <= 60),
    title text NOT NULL,
    lead text NOT NULL DEFAULT '',
    about text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'forming' CHECK (state IN ('forming', 'active', 'over')),
    key bytea NOT NULL CHECK (length(key) = 32),
    poll bigint REFERENCES poll ON DELETE SET NULL,
    option bigint UNIQUE REFERENCES option ON DELETE SET NULL,
    ended_at timestamptz,
    told text,
    created_by text NOT NULL DEFAULT '',
    CHECK ((state = 'over') = (ended_at IS NOT NULL))
);

-- Who belongs to a group, or asks or is asked to. `unconfirmed`: the letter with the link was not answered yet.
-- `placed`: has a place by the vote, and needs nobody to accept it. The consents have the time at which they were given;
-- none is null.
CREATE TABLE member (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    theme_group bigint NOT NULL REFERENCES theme_group ON DELETE CASCADE,
    account text,
    name text NOT NULL,
    mail text,
    language text NOT NULL DEFAULT 'de',
    organisation text NOT NULL DEFAULT '',
    kind text NOT NULL DEFAULT 'person',
    role text NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'speaker', 'moderator')),
    state text NOT NULL CHECK (state IN ('unconfirmed', 'requested', 'invited', 'member')),
    placed boolean NOT NULL DEFAULT false,
    asked_at timestamptz NOT NULL,
    joined_at timestamptz,
    written_at timestamptz,
    named_at timestamptz,
    newsletter_at timestamptz,
    photographs_at timestamptz,
    CHECK ((state = 'member') = (joined_at IS NOT NULL)),
    UNIQUE (theme_group, account)
);
CREATE UNIQUE INDEX member_mail ON member (theme_group, lower(mail));
CREATE INDEX member_account ON member (account);

-- Places by which somebody came into a group: each once. Who it was stands nowhere.
CREATE TABLE place_used (
    poll bigint NOT NULL REFERENCES poll ON DELETE CASCADE,
    participant uuid NOT NULL,
    PRIMARY KEY (poll, participant)
);

-- `sequence` grows with each change, so that calendars take it over; what is cancelled stays, so that they hear of it.
CREATE TABLE meeting (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    theme_group bigint NOT NULL REFERENCES theme_group ON DELETE CASCADE,
    title text NOT NULL,
    place text NOT NULL,
    about text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
    sequence integer NOT NULL DEFAULT 0,
    cancelled boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL
);
CREATE INDEX meeting_group ON meeting (theme_group, starts_at);

-- Which files of a group everybody may see; the others only its members.
CREATE TABLE document (
    file uuid PRIMARY KEY,
    theme_group bigint NOT NULL REFERENCES theme_group ON DELETE CASCADE,
    public boolean NOT NULL
);
