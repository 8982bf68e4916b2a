use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    sync::Arc,
};

use countersign_gateway::store::{StateDirectory, Store, StoreError, embedded::EmbeddedStore};

use super::sealed_ring::records;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_new_folder_and_all_its_files_are_the_owners_alone() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("deep/state");
    let directory = Arc::new(StateDirectory::enter(&path).unwrap());
    let store = EmbeddedStore::open(Arc::clone(&directory)).unwrap();
    store.create_ring(&records("a")).unwrap();
    directory.write("note", b"n").unwrap();
    assert_eq!(mode(&path), 0o700);
    let mut seen = Vec::new();
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.file_name());
        seen.push(entry.file_name().into_string().unwrap());
    }
    seen.sort();
    assert_eq!(seen, ["countersign.db", "countersign.db-shm", "countersign.db-wal", "lock", "note"]);
}

#[test]
fn a_folder_or_file_that_is_open_to_others_is_refused() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("state");
    fs::create_dir(&folder).unwrap();
    for bits in [0o750, 0o701, 0o777] {
        fs::set_permissions(&folder, Permissions::from_mode(bits)).unwrap();
        let error = StateDirectory::enter(&folder).unwrap_err();
        assert_eq!(error.code(), "store_open_to_others", "{bits:o}");
        assert!(error.to_string().contains("chmod 700"), "{error}");
    }
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    let directory = Arc::new(StateDirectory::enter(&folder).unwrap());
    drop(EmbeddedStore::open(Arc::clone(&directory)).unwrap());
    let database = folder.join("countersign.db");
    fs::set_permissions(&database, Permissions::from_mode(0o640)).unwrap();
    let error = EmbeddedStore::open(Arc::clone(&directory)).unwrap_err();
    assert!(matches!(&error, StoreError::Open { path, mode: 0o640, .. } if *path == database), "{error}");
    directory.write("kek", b"k").unwrap();
    fs::set_permissions(folder.join("kek"), Permissions::from_mode(0o604)).unwrap();
    assert_eq!(directory.read("kek").unwrap_err().code(), "store_open_to_others");
}

#[test]
fn a_folder_has_one_gateway_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = StateDirectory::enter(&folder.path().join("state")).unwrap();
    assert_eq!(StateDirectory::enter(&folder.path().join("state")).unwrap_err().code(), "store_in_use");
    drop(first);
    StateDirectory::enter(&folder.path().join("state")).unwrap();
}

#[test]
fn a_file_is_written_whole_and_read_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let directory = StateDirectory::enter(&folder.path().join("state")).unwrap();
    assert_eq!(directory.read("seen").unwrap(), None);
    directory.write("seen", b"one").unwrap();
    directory.write("seen", b"two").unwrap();
    assert_eq!(directory.read("seen").unwrap().as_deref(), Some(&b"two"[..]));
    assert!(!directory.file("seen.new").exists());
    directory.write("long", &vec![b'x'; 1024 * 1024 + 1]).unwrap();
    assert_eq!(directory.read("long").unwrap_err().code(), "store_file");
}

#[test]
fn a_damaged_or_newer_database_is_a_fault_and_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Arc::new(StateDirectory::enter(&folder.path().join("state")).unwrap());
    let path = directory.file("countersign.db");
    directory
        .write("countersign.db", b"not a database, but long enough to have a header of some kind")
        .unwrap();
    assert_eq!(EmbeddedStore::open(Arc::clone(&directory)).unwrap_err().code(), "store_database");
    assert!(fs::read(&path).unwrap().starts_with(b"not a database"));

    fs::remove_file(&path).unwrap();
    drop(EmbeddedStore::open(Arc::clone(&directory)).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let error = EmbeddedStore::open(directory).unwrap_err();
    assert!(matches!(error, StoreError::Schema { found: 7, known: 4 }), "{error}");
}
