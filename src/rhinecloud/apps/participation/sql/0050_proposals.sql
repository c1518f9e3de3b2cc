-- Proposals of the theme groups, and what became of them. Who wrote something stands in rows of its own (proposal_author,
-- comment.actor, …), so that a text can stay without its author.
CREATE TABLE proposal (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- That of the theme group; null: for all of the city.
    theme_group bigint,
    title text NOT NULL,
    text text NOT NULL,
    lon double precision,
    lat double precision,
    -- Ids of entities of the graph that it is about.
    links text[] NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'received',
    merged_into bigint REFERENCES proposal,
    on_paper boolean NOT NULL DEFAULT false,
    -- An answer is promised until then; the first one was given at `answered_at`.
    promised_at timestamptz NOT NULL,
    answered_at timestamptz,
    created_at timestamptz NOT NULL,
    CHECK ((lon IS NULL) = (lat IS NULL)),
    CHECK ((merged_into IS NOT NULL) = (state = 'merged'))
);
CREATE INDEX proposal_group ON proposal (theme_group, number);
CREATE INDEX proposal_waiting ON proposal (promised_at) WHERE answered_at IS NULL;
CREATE INDEX proposal_merged ON proposal (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE proposal_author (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal bigint NOT NULL REFERENCES proposal ON DELETE CASCADE,
    -- Whose account it is (person:17), null for who has none, or is not known any more.
    actor text,
    -- Shown where `named`.
    name text NOT NULL DEFAULT '',
    named boolean NOT NULL DEFAULT false,
    -- Of somebody without an account who wants to be told.
    mail text,
    -- How they came to it: wrote it, its amendment was taken, wrote one that was merged into it.
    came text NOT NULL DEFAULT 'wrote'
);
CREATE UNIQUE INDEX proposal_author_once ON proposal_author (proposal, actor);
CREATE INDEX proposal_author_actor ON proposal_author (actor);

-- The trail: public, and nothing in it is ever changed or taken away. It names offices, never people.
CREATE TABLE proposal_step (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal bigint NOT NULL REFERENCES proposal,
    step text NOT NULL,
    office text NOT NULL,
    text text NOT NULL DEFAULT '',
    link text NOT NULL DEFAULT '',
    -- The other one of a merge.
    other bigint REFERENCES proposal,
    at timestamptz NOT NULL
);
CREATE INDEX proposal_step_of ON proposal_step (proposal, number);
CREATE INDEX proposal_step_at ON proposal_step (at);

CREATE FUNCTION proposal_step_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what became of a proposal is written once and stays';
END
$$;
CREATE TRIGGER proposal_step_stays BEFORE UPDATE OR DELETE ON proposal_step
    FOR EACH ROW EXECUTE FUNCTION proposal_step_stays();

CREATE TABLE proposal_support (
    proposal bigint NOT NULL REFERENCES proposal ON DELETE CASCADE,
    actor text NOT NULL,
    PRIMARY KEY (proposal, actor)
);
CREATE INDEX proposal_support_actor ON proposal_support (actor);

CREATE TABLE comment (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal bigint NOT NULL REFERENCES proposal ON DELETE CASCADE,
    actor text,
    name text NOT NULL DEFAULT '',
    text text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX comment_of ON comment (proposal, number);
CREATE INDEX comment_actor ON comment (actor);

-- A changed text that somebody offers to the authors. `before_…` is what it took the place of.
CREATE TABLE amendment (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    proposal bigint NOT NULL REFERENCES proposal ON DELETE CASCADE,
    actor text,
    name text NOT NULL DEFAULT '',
    title text NOT NULL,
    text text NOT NULL,
    why text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'offered',
    before_title text,
    before_text text,
    at timestamptz NOT NULL,
    decided_at timestamptz
);
CREATE INDEX amendment_of ON amendment (proposal, number);
CREATE INDEX amendment_actor ON amendment (actor);

CREATE TABLE proposal_picture (
    file uuid PRIMARY KEY,
    proposal bigint NOT NULL REFERENCES proposal ON DELETE CASCADE,
    description text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX proposal_picture_of ON proposal_picture (proposal, at);
