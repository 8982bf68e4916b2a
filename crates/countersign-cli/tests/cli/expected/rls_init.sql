-- Row-level security of orders. Run it as the table's owner; it can be run again.
BEGIN;

-- The service's role: owns nothing and is above nothing. Give it a password in psql: \password service
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

-- A row of customers that customer names is of the same organisation. A key on customer alone would tell whether a foreign
-- row exists: it is taken away, and the paired one does what it did when its parent goes.
CREATE UNIQUE INDEX IF NOT EXISTS "customers_organisation_id_key" ON "customers" ("organisation", "id");
DO $$
DECLARE
    old record;
    actions text := '';
BEGIN
    FOR old IN
        SELECT conname, regexp_replace(pg_get_constraintdef(oid),
            '^FOREIGN KEY \([^)]*\) REFERENCES [^(]*\([^)]*\)| MATCH FULL| NOT VALID$', '', 'g') AS actions
        FROM pg_constraint
        WHERE contype = 'f' AND conparentid = 0
          AND conrelid = '"orders"'::regclass AND confrelid = '"customers"'::regclass
          AND (conname = 'orders_organisation_customer_fkey'
               OR conkey = ARRAY[(SELECT attnum FROM pg_attribute WHERE attrelid = conrelid AND attname = 'customer')]
                  AND confkey = ARRAY[(SELECT attnum FROM pg_attribute WHERE attrelid = confrelid AND attname = 'id')])
        ORDER BY conname <> 'orders_organisation_customer_fkey', conname
    LOOP
        EXECUTE format('ALTER TABLE "orders" DROP CONSTRAINT %I', old.conname);
        IF old.actions <> '' THEN
            actions := regexp_replace(old.actions, 'ON DELETE SET (NULL|DEFAULT)( \([^)]*\))?',
                'ON DELETE SET \1 ("customer")');
        END IF;
    END LOOP;
    ALTER TABLE "orders" DROP CONSTRAINT IF EXISTS "orders_organisation_customer_fkey";
    EXECUTE 'ALTER TABLE "orders" ADD CONSTRAINT "orders_organisation_customer_fkey"
        FOREIGN KEY ("organisation", "customer") REFERENCES "customers" ("organisation", "id")' || actions;
END $$;

COMMIT;
