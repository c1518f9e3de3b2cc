-- Sign-in by the city's own identity provider (OpenID Connect).

-- Sign-ins that are under way: what the provider's answer is checked against, once.
CREATE TABLE oidc_request (
    hash bytea PRIMARY KEY,
    nonce text NOT NULL,
    verifier text NOT NULL,
    back text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX oidc_request_expires ON oidc_request (expires_at);

-- Whom the provider knows by which name.
CREATE TABLE oidc_identity (
    issuer text NOT NULL,
    subject text NOT NULL,
    account bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX oidc_identity_account ON oidc_identity (account);

-- Roles that were given because the provider said so, and are taken when it no longer does. Others are people's.
CREATE TABLE oidc_role (
    account bigint NOT NULL,
    organisation bigint NOT NULL,
    role text NOT NULL,
    PRIMARY KEY (account, organisation, role),
    FOREIGN KEY (account, organisation, role) REFERENCES membership ON DELETE CASCADE
);

-- What ends the provider's own session at sign-out.
CREATE TABLE oidc_session (
    session bytea PRIMARY KEY REFERENCES session (hash) ON DELETE CASCADE,
    id_token text NOT NULL
);
