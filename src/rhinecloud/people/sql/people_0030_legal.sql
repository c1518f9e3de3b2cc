-- Texts that the operator answers for by law: every version that was ever shown, the newest counts.
CREATE TABLE legal_text (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    page text NOT NULL,
    language text NOT NULL,
    body text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL
);
CREATE INDEX legal_text_page ON legal_text (page, language, id);

-- What somebody said about a barrier, until it was answered and for the time that its retention names.
CREATE TABLE feedback (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    about text NOT NULL,
    message text NOT NULL,
    mail text,
    language text NOT NULL,
    answered_at timestamptz,
    answered_by text
);
CREATE INDEX feedback_open ON feedback (id) WHERE answered_at IS NULL;
CREATE INDEX feedback_mail ON feedback (lower(mail));
