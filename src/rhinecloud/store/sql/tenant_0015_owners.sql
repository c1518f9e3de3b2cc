-- Whose a subscription is, as the audit log names them: it is told what they may read. Those that were there were made
-- when nobody signed in.
ALTER TABLE subscription ADD COLUMN owner text NOT NULL DEFAULT 'open';
CREATE INDEX subscription_owner ON subscription (owner, number);
