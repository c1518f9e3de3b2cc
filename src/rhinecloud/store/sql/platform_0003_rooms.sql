-- Each room and each app has a schema, a role that owns it, and a role that may become it and the city's in one
-- transaction (docs/decisions/0026-apps.md). What is being removed keeps its row until nothing is left of it.
CREATE TABLE rhinecloud.room (
    name text PRIMARY KEY,
    role text NOT NULL UNIQUE,
    password text NOT NULL,
    joint_role text NOT NULL UNIQUE,
    joint_password text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    leaving_since timestamptz
);
