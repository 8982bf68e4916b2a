//! What does not start, and what it is told.

use sqlx::{AssertSqlSafe, PgPool};

use super::{ORDERS, Order, Server, declared, partitioned, row_level_security};
use crate::{
    row_level_security::{Support, policies},
    scope::{
        SchemaFault,
        postgres::{ScopedPool, check_others},
    },
};

/// The migration's condition.
const OWN: &str = "organisation = (SELECT nullif(current_setting('countersign.organisation', true), ''))";
const ACROSS: &str = "(SELECT current_setting('countersign.across', true)) = 'on'";

async fn fault(server: &Server, more: &str) -> String {
    match declared(server, more).await {
        Ok(_) => panic!("it starts: {more}"),
        Err(fault) => fault.to_string(),
    }
}

async fn starts(server: &Server, more: &str) {
    if let Err(fault) = declared(server, more).await {
        panic!("{more}: {fault}");
    }
}

pub(super) async fn inert_and_leaking_tables_do_not_start(server: &Server) {
    for (more, expected) in [
        ("ALTER TABLE orders DISABLE ROW LEVEL SECURITY", "not enabled"),
        ("ALTER TABLE orders NO FORCE ROW LEVEL SECURITY", "not forced"),
        ("GRANT TRUNCATE ON orders TO service", "TRUNCATE"),
        ("ALTER TABLE orders OWNER TO service", "owns it"),
        ("ALTER TABLE orders DROP COLUMN item", "no column `item`"),
        ("DROP TABLE orders", "no table"),
        (
            "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             DROP POLICY countersign_organisation ON orders;
             ALTER TABLE orders ALTER organisation TYPE text COLLATE loose;
             CREATE POLICY countersign_organisation ON orders
             USING (organisation = (SELECT nullif(current_setting('countersign.organisation', true), '')))
             WITH CHECK (organisation = (SELECT nullif(current_setting('countersign.organisation', true), '')))",
            "type TEXT",
        ),
        ("ALTER TABLE orders ALTER organisation DROP NOT NULL", "NOT NULL"),
    ] {
        let fault = fault(server, more).await;
        assert!(fault.contains(expected), "{more}: {fault}");
    }
    policies_say_what_the_migration_says(server).await;
    constraints_hold_the_organisation(server).await;
    nothing_leads_around(server).await;
    parts_are_bound(server).await;
    let harmless = "CREATE VIEW seen WITH (security_invoker = true) AS SELECT * FROM orders;
                    CREATE VIEW hidden AS SELECT * FROM orders;
                    CREATE TABLE countries (code text PRIMARY KEY);
                    ALTER TABLE orders ADD country text REFERENCES countries;
                    CREATE POLICY narrower ON orders AS RESTRICTIVE USING (item <> 'secret');
                    DROP POLICY countersign_across ON orders;
                    ALTER TABLE orders ADD EXCLUDE USING btree (organisation WITH =, item WITH =);
                    GRANT SELECT ON seen TO service";
    starts(server, harmless).await;
    // The condition is then shown with a cast.
    let varchar = format!(
        "DROP POLICY countersign_organisation ON orders;
         ALTER TABLE orders ALTER organisation TYPE varchar(63); {}",
        row_level_security::<Order>()
    );
    starts(server, &varchar).await;
}

async fn policies_say_what_the_migration_says(server: &Server) {
    let own = |rest: &str| {
        format!(
            "DROP POLICY countersign_organisation ON orders;
             CREATE POLICY countersign_organisation ON orders {rest}"
        )
    };
    for (more, expected) in [
        ("DROP POLICY countersign_organisation ON orders".to_owned(), "is missing"),
        ("CREATE POLICY more ON orders USING (item = 'public')".to_owned(), "another permissive policy, `more`"),
        (own(&format!("USING ({OWN})")), "lets write (WITH CHECK) where `nothing`"),
        (own(&format!("USING ({OWN} OR true) WITH CHECK ({OWN})")), "lets read and change where"),
        (own(&format!("USING ({OWN}) WITH CHECK ({OWN} OR true)")), "lets write (WITH CHECK) where"),
        (own(&format!("USING ({OWN} OR item = 'public') WITH CHECK ({OWN})")), "uses another column"),
        (own(&format!("USING ({OWN}) WITH CHECK ({OWN} OR item = 'public')")), "uses another column"),
        (own(&format!("FOR SELECT USING ({OWN})")), "is for other commands"),
        (own(&format!("AS RESTRICTIVE USING ({OWN}) WITH CHECK ({OWN})")), "is restrictive"),
        (own(&format!("TO service USING ({OWN}) WITH CHECK ({OWN})")), "not for every role"),
        (own("USING (true) WITH CHECK (true)"), "lets read and change where `true`"),
        // The same words, but another function: it is shown without its schema while that comes first.
        (
            format!(
                "CREATE SCHEMA own;
                 CREATE FUNCTION own.current_setting(text, boolean) RETURNS text LANGUAGE sql AS 'SELECT ''acme''';
                 SET search_path = own, pg_catalog, public;
                 {}; RESET search_path",
                own(&format!("USING ({OWN}) WITH CHECK ({OWN})"))
            ),
            "uses another column, table, function or operator",
        ),
        (format!("ALTER POLICY countersign_across ON orders USING ({ACROSS} OR true)"), "`countersign_across` lets"),
        (
            format!(
                "DROP POLICY countersign_across ON orders;
                 CREATE POLICY countersign_across ON orders USING ({ACROSS})"
            ),
            "`countersign_across` is for other commands",
        ),
    ] {
        let fault = fault(server, &more).await;
        assert!(fault.contains(expected), "{more}: {fault}");
        assert!(fault.contains("migration") || fault.contains("drop it") || fault.contains("missing"), "{fault}");
    }
}

async fn constraints_hold_the_organisation(server: &Server) {
    let bound = policies("lines", "organisation", Support::Kept);
    for (more, expected) in [
        ("CREATE UNIQUE INDEX item_alone ON orders (item)", "`item_alone`"),
        ("CREATE UNIQUE INDEX item_lower ON orders (lower(item))", "`item_lower`"),
        ("CREATE UNIQUE INDEX item_with ON orders (item) INCLUDE (organisation)", "`item_with`"),
        ("ALTER TABLE orders ADD CONSTRAINT apart EXCLUDE USING btree (item WITH =)", "`apart`"),
        (
            "CREATE EXTENSION btree_gist; ALTER TABLE orders ADD CONSTRAINT apart
             EXCLUDE USING gist (organisation WITH <>, item WITH =)",
            "`apart`",
        ),
        (
            "CREATE TABLE customers (id bigint PRIMARY KEY, organisation text NOT NULL);
             ALTER TABLE orders ADD customer bigint REFERENCES customers (id)",
            "foreign key of `orders` to `customers`",
        ),
        (
            "CREATE TABLE customers (id bigint PRIMARY KEY, organisation text NOT NULL);
             ALTER TABLE orders ADD customer bigint CONSTRAINT \"Of\" REFERENCES customers (id)",
            "`ALTER TABLE orders DROP CONSTRAINT \"Of\"`",
        ),
        (
            "CREATE TABLE customers (id bigint, organisation text NOT NULL, region text, UNIQUE (region, id));
             ALTER TABLE orders ADD customer bigint,
                 ADD FOREIGN KEY (organisation, customer) REFERENCES customers (region, id)",
            "foreign key of `orders` to `customers`",
        ),
        (
            &format!(
                "CREATE TABLE lines (organisation text NOT NULL, of bigint REFERENCES orders (id));
                 GRANT INSERT (organisation, of) ON lines TO service; {bound}"
            ),
            "foreign key of `lines` to `orders`",
        ),
        (
            "CREATE TABLE tags (of bigint REFERENCES orders (id)); GRANT UPDATE ON tags TO service",
            "foreign key of `tags` to `orders`",
        ),
    ] {
        let fault = fault(server, more).await;
        assert!(fault.contains(expected), "{more}: {fault}");
    }
    let paired = format!(
        "CREATE UNIQUE INDEX ON orders (organisation, id);
         CREATE TABLE lines (organisation text NOT NULL, of bigint,
             FOREIGN KEY (organisation, of) REFERENCES orders (organisation, id));
         CREATE TABLE unwritten (of bigint REFERENCES orders (id));
         GRANT SELECT, INSERT ON lines TO service; GRANT SELECT ON unwritten TO service; {bound}"
    );
    starts(server, &paired).await;
}

async fn nothing_leads_around(server: &Server) {
    let seen = "CREATE VIEW seen AS SELECT * FROM orders;";
    let kept = "CREATE MATERIALIZED VIEW kept AS SELECT item FROM orders;";
    for (more, expected) in [
        (format!("{seen} GRANT SELECT ON seen TO service"), "`seen` shows"),
        (format!("{seen} GRANT SELECT (item) ON seen TO service"), "`seen` shows"),
        (format!("{seen} GRANT UPDATE (item) ON seen TO PUBLIC"), "`seen` shows"),
        (format!("{seen} GRANT DELETE ON seen TO service"), "`seen` shows"),
        (
            "CREATE VIEW a WITH (security_invoker = true) AS SELECT * FROM orders;
             CREATE VIEW b AS SELECT * FROM a; GRANT SELECT ON a, b TO service"
                .to_owned(),
            "`b` shows",
        ),
        (format!("{kept} GRANT SELECT ON kept TO service"), "`kept` shows"),
        (format!("{kept} GRANT SELECT (item) ON kept TO service"), "`kept` shows"),
        (
            "CREATE FUNCTION all_orders() RETURNS SETOF orders LANGUAGE sql SECURITY DEFINER
             AS 'SELECT * FROM orders'"
                .to_owned(),
            "`all_orders()` shows",
        ),
        (
            "CREATE TABLE bell (id int); GRANT INSERT ON bell TO service;
             CREATE RULE ring AS ON INSERT TO bell DO ALSO DELETE FROM orders"
                .to_owned(),
            "`rule ring of bell` shows or changes",
        ),
    ] {
        let fault = fault(server, &more).await;
        assert!(fault.contains(expected) && fault.contains("revoke it"), "{more}: {fault}");
    }
}

async fn parts_are_bound(server: &Server) {
    starts(server, &partitioned("")).await;
    let locked = "ALTER TABLE of_acme ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
                  GRANT SELECT ON of_acme TO service;";
    starts(server, &partitioned(locked)).await;
    let bound =
        format!("{} GRANT SELECT ON of_acme TO service", policies("of_acme", "organisation", Support::Kept));
    starts(server, &partitioned(&bound)).await;
    for (more, expected) in [
        (partitioned("GRANT SELECT ON of_acme TO service"), "`of_acme`"),
        (partitioned("GRANT SELECT (item) ON of_acme TO service"), "`of_acme`"),
        (partitioned("GRANT UPDATE ON of_acme TO service"), "`of_acme`"),
        (partitioned("GRANT TRUNCATE ON of_acme TO service"), "`of_acme`"),
        (partitioned(&format!("{bound}; GRANT TRUNCATE ON of_acme TO service")), "may TRUNCATE it"),
        (
            partitioned(&format!("{locked} CREATE POLICY open ON of_acme USING (true)")),
            "another permissive policy, `open`",
        ),
        (
            partitioned("CREATE VIEW seen AS SELECT * FROM of_acme; GRANT SELECT ON seen TO service"),
            "`seen` shows",
        ),
        (partitioned("CREATE UNIQUE INDEX part_item ON of_acme (item)"), "`part_item`"),
        ("CREATE TABLE heir () INHERITS (orders); GRANT SELECT ON heir TO service".to_owned(), "`heir`"),
        (
            "CREATE TABLE heir () INHERITS (orders); CREATE TABLE last () INHERITS (heir);
             GRANT DELETE ON last TO service"
                .to_owned(),
            "`last`",
        ),
        (
            "CREATE TABLE everything (LIKE orders); ALTER TABLE orders INHERIT everything;
             GRANT SELECT (item) ON everything TO service"
                .to_owned(),
            "`everything`",
        ),
    ] {
        let fault = fault(server, &more).await;
        assert!(fault.contains(expected), "{more}: {fault}");
    }
}

/// Roles are the server's and not the database's, so each case is taken back.
pub(super) async fn what_the_role_may_become_counts(server: &Server) {
    for (given, taken, expected) in [
        ("ALTER ROLE service CREATEROLE", "ALTER ROLE service NOCREATEROLE", "has CREATEROLE"),
        ("ALTER ROLE service REPLICATION", "ALTER ROLE service NOREPLICATION", "has REPLICATION"),
        ("ALTER ROLE service BYPASSRLS", "ALTER ROLE service NOBYPASSRLS", "has BYPASSRLS"),
        (
            "CREATE ROLE chief SUPERUSER; GRANT chief TO service",
            "DROP ROLE chief",
            "`chief`, which is a superuser",
        ),
        (
            "ALTER ROLE service NOINHERIT; CREATE ROLE aide; CREATE ROLE seer BYPASSRLS; GRANT seer TO aide;
             GRANT aide TO service",
            "DROP ROLE seer, aide; ALTER ROLE service INHERIT",
            "`seer`, which has BYPASSRLS",
        ),
        (
            "GRANT pg_read_server_files TO service",
            "REVOKE pg_read_server_files FROM service",
            "files of the server",
        ),
        (
            "CREATE ROLE house; ALTER TABLE orders OWNER TO house; GRANT house TO service",
            "REVOKE house FROM service",
            "owns it",
        ),
        (
            "ALTER ROLE service NOINHERIT; CREATE ROLE reports; GRANT reports TO service;
             CREATE MATERIALIZED VIEW kept AS SELECT item FROM orders; GRANT SELECT ON kept TO reports",
            "REVOKE reports FROM service; ALTER ROLE service INHERIT",
            "`kept` shows",
        ),
    ] {
        let fault = fault(server, given).await;
        assert!(fault.contains(expected), "{given}: {fault}");
        let (owner, _) = server.cleared().await;
        sqlx::raw_sql(AssertSqlSafe(taken)).execute(&owner).await.unwrap();
        starts(server, "SELECT").await;
    }

    let (owner, _) = server.database().await;
    sqlx::raw_sql(AssertSqlSafe(format!("{ORDERS}{}", row_level_security::<Order>())))
        .execute(&owner)
        .await
        .unwrap();
    let above = async |pool: PgPool| ScopedPool::new(pool).declare::<Order>().await.map(|_| ());
    // What it logged in as is one word away.
    sqlx::raw_sql("SET ROLE service").execute(&owner).await.unwrap();
    assert!(matches!(above(owner).await, Err(SchemaFault::RoleAbove { role, .. }) if role == "owner"));
}

pub(super) async fn presets_do_not_start(server: &Server) {
    let preset = |what: &str| {
        format!(
            "DO $$ BEGIN EXECUTE format('ALTER {what} SET countersign.across = on', current_database()); END $$"
        )
    };
    let in_database = "RESET countersign.across";
    for (what, fix) in [
        ("DATABASE %I", "ALTER DATABASE test_"),
        ("ROLE service IN DATABASE %I", "ALTER ROLE service IN DATABASE test_"),
    ] {
        let fault = fault(server, &preset(what)).await;
        assert!(fault.contains(fix) && fault.contains(in_database), "{what}: {fault}");
    }
    for (preset, fix) in [
        (
            "ALTER ROLE service SET countersign.organisation = 'acme'",
            "ALTER ROLE service RESET countersign.organisation",
        ),
        ("ALTER ROLE ALL SET countersign.across = 'on'", "ALTER ROLE ALL RESET countersign.across"),
    ] {
        let fault = fault(server, preset).await;
        assert!(fault.contains(fix), "{preset}: {fault}");
        let (owner, _) = server.cleared().await;
        sqlx::raw_sql(AssertSqlSafe(fix)).execute(&owner).await.unwrap();
    }
    starts(server, "ALTER ROLE owner SET countersign.across = 'on'").await;
    let (owner, _) = server.cleared().await;
    sqlx::raw_sql("ALTER ROLE owner RESET countersign.across").execute(&owner).await.unwrap();

    let (owner, service) = server.cleared().await;
    sqlx::raw_sql(AssertSqlSafe(format!("{ORDERS}{}", row_level_security::<Order>())))
        .execute(&owner)
        .await
        .unwrap();
    sqlx::raw_sql("SET countersign.across = 'on'").execute(&service).await.unwrap();
    let fault = ScopedPool::new(service).declare::<Order>().await.map(|_| ()).unwrap_err().to_string();
    assert!(fault.contains("`countersign.across` is preset") && fault.contains("postgresql.conf"), "{fault}");
}

pub(super) async fn what_is_not_declared_is_looked_at(server: &Server) {
    let invoices = "CREATE TABLE invoices (id bigint, organisation text NOT NULL);";
    for (more, expected) in [
        (format!("{invoices} GRANT SELECT (id) ON invoices TO service"), "`invoices`"),
        (format!("{invoices} GRANT DELETE ON invoices TO PUBLIC"), "`invoices`"),
        (
            format!("CREATE SCHEMA hidden; {} GRANT SELECT ON hidden.invoices TO service",
                invoices.replace("invoices", "hidden.invoices")),
            "`hidden.invoices`",
        ),
        (
            "CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER away FOREIGN DATA WRAPPER nothing;
             CREATE FOREIGN TABLE far (organisation text) SERVER away; GRANT SELECT ON far TO service"
                .to_owned(),
            "`far`, and row-level security does not bind its rows: it is a foreign table",
        ),
        (
            "CREATE MATERIALIZED VIEW mixed AS SELECT 'acme' AS organisation; GRANT SELECT ON mixed TO service"
                .to_owned(),
            "it is a materialised view",
        ),
        (
            format!("{invoices} CREATE VIEW bills AS SELECT * FROM invoices; GRANT SELECT ON bills TO service"),
            "`bills`",
        ),
    ] {
        let fault = fault(server, &more).await;
        assert!(fault.contains(expected) && fault.contains("Revoke it"), "{more}: {fault}");
    }
    let bound = format!(
        "{invoices} {} GRANT SELECT ON invoices TO service; CREATE TABLE unused (organisation text);
         CREATE TABLE countries (code text PRIMARY KEY); GRANT ALL ON countries TO service",
        policies("invoices", "organisation", Support::Kept)
    );
    starts(server, &bound).await;

    // A table of all organisations has the column, and its rows are nobody's.
    let (owner, service) = server.cleared().await;
    let tenants = "CREATE TABLE tenants (organisation text PRIMARY KEY); GRANT SELECT ON tenants TO service";
    for sql in [ORDERS, &row_level_security::<Order>(), tenants] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&owner).await.unwrap();
    }
    let others = check_others(&service, "organisation", &[]).await.unwrap();
    let [SchemaFault::Unbound { object, .. }] = others.as_slice() else { panic!("{others:?}") };
    assert_eq!(object, "tenants");
    assert!(check_others(&service, "organisation", &["tenants".to_owned()]).await.unwrap().is_empty());
    assert!(ScopedPool::new(service.clone()).declare::<Order>().await.is_err());
    assert!(ScopedPool::new(service).dangerous_unbound("tenants").declare::<Order>().await.is_ok());
}
