-- Mail: queued in the transaction of what it tells about, sent by one elected worker, its fate kept for a while.

-- `token` is random and stands in the Message-ID and in the envelope: a report about a message proves by it that it
-- speaks of one of ours. `message` (without its From) goes when the mail server has taken it, for letters hold what
-- concerns nobody else. `answer` is what a mail server said last, `status` its code of RFC 3463.
CREATE TABLE mail (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token text NOT NULL UNIQUE,
    app text NOT NULL,
    letter text NOT NULL,
    language text NOT NULL,
    recipient text NOT NULL,
    message bytea,
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'sent', 'delivered', 'refused', 'expired', 'bounced')),
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    give_up_at timestamptz NOT NULL,
    sent_at timestamptz,
    ended_at timestamptz,
    status text,
    answer text
);
CREATE INDEX mail_due ON mail (due_at) WHERE state = 'queued';
CREATE INDEX mail_recipient ON mail (lower(recipient), id);
CREATE INDEX mail_state ON mail (state, id);
CREATE INDEX mail_created ON mail USING brin (created_at);
