-- The bridges to foreign MQTT brokers: the name under which each keeps our session, what that session is subscribed to,
-- and how the bridge is. `generation` counts the sessions: packet ids are those of one session. `connected_at` is the
-- last moment at which there was a connection, `reported_at` that at which a worker said how it is.
CREATE TABLE bridge (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    client text NOT NULL,
    generation integer NOT NULL DEFAULT 0,
    topics text[] NOT NULL DEFAULT '{}',
    status jsonb NOT NULL DEFAULT '{}',
    reported_at timestamptz NOT NULL DEFAULT now(),
    connected_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
