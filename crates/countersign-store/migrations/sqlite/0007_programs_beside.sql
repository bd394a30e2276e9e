-- The oldest version whose programs run on the schema that a step has made; nobody noted it for
-- the steps before.
ALTER TABLE countersign_migrations ADD COLUMN runs_beside BIGINT;
