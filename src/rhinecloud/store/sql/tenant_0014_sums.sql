-- Not one way: older programs write by the same key.
-- Sums over many series read the index alone: the arrays beside them make the rows wide.
ALTER TABLE chunk DROP CONSTRAINT chunk_pkey;
ALTER TABLE chunk ADD PRIMARY KEY (series, month) INCLUDE (at0, at1, n, vmin, vmax, vsum);
