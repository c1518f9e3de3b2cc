-- Since when nobody is told, because whose the subscription is may read nothing any more: blocked, deleted, run out.
ALTER TABLE subscription_state ADD COLUMN silenced_at timestamptz;
