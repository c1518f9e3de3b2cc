-- Whose it is, where that is an organisation of the city; `owner` is its name as it was written, or any other.

ALTER TABLE carried ADD organisation bigint;
