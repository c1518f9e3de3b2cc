-- Subscriptions, what is due to their subscribers, and how it went.

-- `document` means its names by the core @context, so that it can be shown in any other; `context` is what the
-- subscriber named (a URL, an object or a list), in which notifications are told. Changes up to `since` are not theirs.
CREATE TABLE subscription (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    document jsonb NOT NULL,
    context jsonb,
    since bigint NOT NULL,
    revision bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now()
);

-- One row. Its update orders the writers of subscriptions; who matches compares it before each list of changes, so that
-- a change after the answer to a subscriber never meets the subscription as it was before.
CREATE TABLE subscription_revision (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    revision bigint NOT NULL
) WITH (fillfactor = 20);
INSERT INTO subscription_revision (revision) VALUES (0);

-- How the telling went: apart from the document, because it changes with each notification.
CREATE TABLE subscription_state (
    subscription bigint PRIMARY KEY REFERENCES subscription ON DELETE CASCADE,
    times_sent bigint NOT NULL DEFAULT 0,
    times_failed bigint NOT NULL DEFAULT 0,
    last_notification timestamptz,
    last_success timestamptz,
    last_failure timestamptz,
    failing boolean,
    reason text
) WITH (fillfactor = 50);

-- What is due: the change is read from the outbox. `newest`: the change outlived the retention, what is due instead is
-- the newest state of the entity.
CREATE TABLE notification (
    subscription bigint NOT NULL,
    change_id bigint NOT NULL,
    entity_id text COLLATE "C" NOT NULL,
    newest boolean NOT NULL DEFAULT false,
    PRIMARY KEY (subscription, change_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- What a subscriber was not told, and why: for good.
CREATE TABLE subscription_gap (
    subscription bigint NOT NULL REFERENCES subscription ON DELETE CASCADE,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    first_change bigint NOT NULL,
    last_change bigint NOT NULL,
    changes bigint NOT NULL,
    reason text NOT NULL
);
CREATE INDEX subscription_gap_subscription ON subscription_gap (subscription);
