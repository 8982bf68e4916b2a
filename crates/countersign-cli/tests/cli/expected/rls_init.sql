-- Row-level security of orders. Run it as the table's owner; it can be run again.
BEGIN;

-- The service's role: owns nothing and is above nothing. Give it a way to log in.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'service') THEN
        CREATE ROLE "service" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
END $$;
REVOKE ALL ON "orders" FROM PUBLIC, "service";
GRANT SELECT, INSERT, UPDATE, DELETE ON "orders" TO "service";
DO $$
DECLARE numbers text := pg_get_serial_sequence('"orders"', 'id');
BEGIN
    IF numbers IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO "service"', numbers);
    END IF;
END $$;

-- Every row is somebody's, and is found by whose it is.
ALTER TABLE "orders" ALTER COLUMN "organisation" SET NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS "orders_organisation_id_key" ON "orders" ("organisation", "id");
ALTER TABLE "orders" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "orders" FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS countersign_organisation ON "orders";
CREATE POLICY countersign_organisation ON "orders"
    USING ("organisation" = (SELECT nullif(current_setting('countersign.organisation', true), '')))
    WITH CHECK ("organisation" = (SELECT nullif(current_setting('countersign.organisation', true), '')));
DROP POLICY IF EXISTS countersign_across ON "orders";
CREATE POLICY countersign_across ON "orders" FOR SELECT
    USING ((SELECT current_setting('countersign.across', true)) = 'on');

-- A row of customers that customer names is of the same organisation. A key without the organisation that does the same
-- must go: it tells whether a foreign row exists.
CREATE UNIQUE INDEX IF NOT EXISTS "customers_organisation_id_key" ON "customers" ("organisation", "id");
ALTER TABLE "orders" DROP CONSTRAINT IF EXISTS "orders_organisation_customer_fkey";
ALTER TABLE "orders" ADD CONSTRAINT "orders_organisation_customer_fkey"
    FOREIGN KEY ("organisation", "customer") REFERENCES "customers" ("organisation", "id");

COMMIT;
