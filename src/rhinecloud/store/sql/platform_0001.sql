-- What all tenants share: which migrations ran, which tenants there are, which epoch of the bus is current.
CREATE TABLE rhinecloud.tenant (
    name text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One row. A restore raises it, so that what the bus still holds of the time before is recognised as foreign.
CREATE TABLE rhinecloud.bus_epoch (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    epoch bigint NOT NULL
);
INSERT INTO rhinecloud.bus_epoch (epoch) VALUES (1);
