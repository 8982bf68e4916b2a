//! What a reload can change, and what it says of the rest.

use super::house::{House, who};
use crate::server::recorder::{OK, Recorder};

#[tokio::test]
async fn what_is_read_once_is_told_to_need_a_restart() {
    let rows = "[limits]\nconnections = 100\n";
    let house = House::with("", rows, Recorder::answering(OK).await, who).await;
    for (key, from, to) in [
        ("limits.connections", "connections = 100", "connections = 200"),
        ("workers", "workers = 1", "workers = 2"),
        ("admin_listen", "admin_listen = \"127.0.0.1:0\"", "admin_listen = \"127.0.0.1:1\""),
        ("session.cache_entries", "[session]\n", "[session]\ncache_entries = 5_000\n"),
        ("session.max_lookups", "[session]\n", "[session]\nmax_lookups = 7\n"),
        ("log", "[limits]\n", "[log]\nrequests = true\n[limits]\n"),
    ] {
        let reply = house.try_rewrite(from, to).await;
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        assert_ne!(reply.status, 200, "{key}: {said}");
        assert!(said.contains(&format!("`{key}` cannot be changed while the gateway runs")), "{key}: {said}");
        house.rewrite(to, from).await;
    }
    house.rewrite("connections = 100", "connections = 100\nconnections_per_client = 50").await;
}
