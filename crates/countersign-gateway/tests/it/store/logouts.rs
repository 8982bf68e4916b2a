use countersign::UnixTime;
use countersign_gateway::store::{
    LOGOUT_HELD, LOGOUT_REMEMBERED, LogoutName,
    LogoutOutcome::{Freed, Used},
    LogoutStanding as Standing, MAX_USED_LOGOUTS, Store,
    memory::MemoryStore,
};

use super::revocations::embedded;

pub(super) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

pub(super) fn name(id: &str) -> LogoutName {
    LogoutName::new(&"https://sso.example".into(), id)
}

pub(super) fn standing(store: &dyn Store, id: &str) -> Standing {
    store.hold_logouts(&[name(id)], NOW).unwrap()[0]
}

/// Every store keeps these rules. What is held is told where gateways share it.
pub(super) fn rules(store: &dyn Store, while_held: Standing) {
    assert_eq!(standing(store, "a"), Standing::Fresh);
    assert_eq!(standing(store, "a"), while_held);
    store.end_logouts(&[(name("a"), Freed)], NOW).unwrap();
    assert_eq!(standing(store, "a"), Standing::Fresh, "it may come again");
    store.end_logouts(&[(name("a"), Used)], NOW).unwrap();
    let several = store.hold_logouts(&[name("b"), name("a"), name("c")], NOW).unwrap();
    assert_eq!(several, [Standing::Fresh, Standing::Used, Standing::Fresh], "in the order of the names");
    store.end_logouts(&[(name("b"), Used), (name("c"), Freed), (name("a"), Freed)], NOW).unwrap();
    assert_eq!(
        ["a", "b", "c"].map(|id| standing(store, id)),
        [Standing::Used, Standing::Used, Standing::Fresh],
        "what was used stays used"
    );
    store.end_logouts(&[(name("c"), Freed)], NOW).unwrap();
    store.end_logouts(&[], NOW).unwrap();
    assert_eq!(store.hold_logouts(&[], NOW).unwrap(), []);
}

/// However many are used, as many are remembered as there is room for: of one more than that, one makes room.
pub(super) fn flood(store: &dyn Store) {
    let all: Vec<_> = (0..=MAX_USED_LOGOUTS).map(|n| (name(&n.to_string()), Used)).collect();
    for some in all.chunks(5_000) {
        store.end_logouts(some, NOW).unwrap();
    }
    let names: Vec<_> = all.into_iter().map(|(name, _)| name).collect();
    let standing = names.chunks(5_000).flat_map(|some| store.hold_logouts(some, NOW).unwrap());
    assert_eq!(standing.filter(|standing| *standing == Standing::Fresh).count(), 1);
}

#[test]
fn the_embedded_store_keeps_the_rules_and_remembers_after_a_restart_while_it_matters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let store = embedded(&path);
    rules(&store, Standing::Fresh);
    drop(store);
    let store = embedded(&path);
    assert_eq!(standing(&store, "a"), Standing::Used);
    let later = NOW.saturating_add(LOGOUT_REMEMBERED);
    assert_eq!(store.hold_logouts(&[name("a")], later).unwrap(), [Standing::Fresh]);
    store.end_logouts(&[(name("later"), Used)], later).unwrap();
    let rows = |path: &std::path::Path| -> i64 {
        let file = rusqlite::Connection::open(path.join("countersign.db")).unwrap();
        file.query_row("SELECT count(*) FROM used_logout", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(rows(&path), 1, "what is over makes room");
    flood(&store);
    assert_eq!(rows(&path), 100_000);
    assert_eq!(standing(&store, "0"), Standing::Fresh, "the oldest made room");
}

#[test]
fn the_memory_store_keeps_the_rules() {
    let store = MemoryStore::new();
    rules(&store, Standing::Held);
    assert_eq!(standing(&store, "held"), Standing::Fresh);
    let later = NOW.saturating_add(LOGOUT_HELD);
    assert_eq!(store.hold_logouts(&[name("held")], later).unwrap(), [Standing::Fresh], "a hold lapses");
    flood(&MemoryStore::new());
}

#[test]
fn a_full_disk_is_told_and_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = embedded(&folder.path().join("state"));
    store.end_logouts(&[(name("before"), Used)], NOW).unwrap();
    store.limit_pages_for_tests(1).unwrap();
    let many: Vec<_> = (0..1_000).map(|n| (name(&n.to_string()), Used)).collect();
    let error = store.end_logouts(&many, NOW).unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    assert_eq!(["before", "0"].map(|id| standing(&store, id)), [Standing::Used, Standing::Fresh]);
}
