-- People and how they come in. Whatever lets somebody in is kept as its SHA-256 only.

CREATE TABLE account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- What authenticators know the account by (WebAuthn §5.4.3): says nothing about the person.
    handle bytea NOT NULL UNIQUE,
    name text NOT NULL,
    -- Proved by a link that was sent there; null for who gave none.
    mail text,
    language text NOT NULL DEFAULT 'de',
    created_at timestamptz NOT NULL DEFAULT now(),
    blocked_at timestamptz
);
CREATE UNIQUE INDEX account_mail ON account (lower(mail));
CREATE INDEX account_name ON account (lower(name), id);

CREATE TABLE passkey (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    credential bytea NOT NULL UNIQUE,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    transports text[] NOT NULL,
    -- Kept in the cloud of a maker, so that the loss of one device does not lock its owner out.
    backed_up boolean NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz
);
CREATE INDEX passkey_account ON passkey (account);

-- What an authenticator was asked to sign; each is answered once at most.
CREATE TABLE challenge (
    hash bytea PRIMARY KEY,
    purpose text NOT NULL,
    -- The account's handle, for a passkey that is being made.
    handle bytea,
    expires_at timestamptz NOT NULL
);
CREATE INDEX challenge_expires ON challenge (expires_at);

CREATE TABLE session (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash bytea NOT NULL UNIQUE,
    account bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    -- Browser and system in words; never an address.
    device text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX session_account ON session (account);

CREATE TABLE organisation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX organisation_name ON organisation (lower(name));

CREATE TABLE membership (
    account bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    organisation bigint NOT NULL REFERENCES organisation ON DELETE CASCADE,
    role text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, organisation, role)
);
CREATE INDEX membership_organisation ON membership (organisation);

-- Links that let somebody do one thing, once: register, get in again, accept an invitation, prove an address.
CREATE TABLE link (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash bytea NOT NULL UNIQUE,
    purpose text NOT NULL,
    -- Whose, for those of an account; else of who is to have one.
    account bigint REFERENCES account ON DELETE CASCADE,
    -- Where it was sent; null for one that was handed over by hand.
    mail text,
    -- What whoever takes up an invitation becomes.
    organisation bigint REFERENCES organisation ON DELETE CASCADE,
    role text,
    made_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX link_account ON link (account);
CREATE INDEX link_organisation ON link (organisation);
CREATE INDEX link_expires ON link (expires_at);
