-- Overrides of devices behind gateways that nobody made: counted traffic asks for less light. The city ends and replaces
-- only these.

ALTER TABLE talq_override ADD COLUMN automatic boolean NOT NULL DEFAULT false;
