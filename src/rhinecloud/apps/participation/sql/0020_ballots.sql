-- Words that the organiser let through or hid, in lower case; and questions to the stage.

CREATE TABLE judged_word (
    poll bigint NOT NULL REFERENCES poll ON DELETE CASCADE,
    word text NOT NULL,
    shown boolean NOT NULL,
    judged_by text NOT NULL,
    judged_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (poll, word)
);

-- `participant` is who asked, kept while the poll is open, so that nobody asks without end.
CREATE TABLE question (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    poll bigint NOT NULL REFERENCES poll ON DELETE CASCADE,
    event bigint NOT NULL,
    participant uuid,
    text text NOT NULL CHECK (length(text) BETWEEN 1 AND 280),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'shown', 'hidden', 'answered')),
    votes integer NOT NULL DEFAULT 0,
    FOREIGN KEY (event, participant) REFERENCES participant ON DELETE SET NULL (participant)
);
CREATE INDEX question_of_poll ON question (poll, participant);

-- Who supports a question: each once; kept while the poll is open.
CREATE TABLE support (
    question bigint NOT NULL REFERENCES question ON DELETE CASCADE,
    event bigint NOT NULL,
    participant uuid NOT NULL,
    PRIMARY KEY (question, participant),
    FOREIGN KEY (event, participant) REFERENCES participant ON DELETE CASCADE
);
