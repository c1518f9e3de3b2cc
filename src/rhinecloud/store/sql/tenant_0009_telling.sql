-- When a subscriber that did not take its last notification is tried again, for those who look at it.
ALTER TABLE subscription_state ADD COLUMN next_attempt timestamptz;
