use std::{fs, sync::Arc, thread};

use countersign::KeyId;
use countersign_gateway::{
    config::resolved::RingAlgorithm,
    keyring::{KeyRing, KeyRingHandle, RingKeeper, encryption_key::EncryptionKeySource},
    store::{RingVersion, StateDirectory, Store},
};

use super::{START, entropy, keeper, memory, settings};

fn kids(ring: &KeyRing) -> Vec<(KeyId, &'static str)> {
    ring.keys(START).map(|key| (key.scheduled.kid.clone(), key.phase.label())).collect()
}

#[test]
fn a_new_ring_has_a_signer_and_a_standby_key() {
    for algorithm in [RingAlgorithm::Es256, RingAlgorithm::Ed25519, RingAlgorithm::Rs256] {
        let ring = keeper(memory()).open(&settings(algorithm), START).unwrap();
        let phases: Vec<_> = ring.keys(START).map(|key| key.phase.label()).collect();
        assert_eq!(phases, ["signing", "published"]);
        assert!(ring.keys(START).all(|key| key.scheduled.algorithm == algorithm));
        assert_eq!(ring.version(), RingVersion::FIRST);
        assert_ne!(ring.session_secret().expose(), &[0; 32]);
        assert_eq!(ring.next_change(START), None);
    }
}

#[test]
fn a_restart_brings_the_same_keys_and_secret() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("state");
    let open = || {
        let directory = Arc::new(StateDirectory::enter(&path).unwrap());
        let keeper = RingKeeper::embedded(&directory, &EncryptionKeySource::Generated, entropy()).unwrap();
        keeper.open(&settings(RingAlgorithm::Es256), START).unwrap()
    };
    let (first, second) = (open(), open());
    assert_eq!(kids(&first), kids(&second));
    assert_eq!(first.session_secret().expose(), second.session_secret().expose());
    assert_eq!(second.version(), RingVersion::FIRST);
}

#[test]
fn replicas_that_start_at_once_have_one_ring() {
    let store = memory();
    let rings: Vec<KeyRing> = thread::scope(|scope| {
        let starts: Vec<_> = (0..6)
            .map(|_| {
                let store: Arc<dyn Store> = store.clone();
                scope.spawn(move || keeper(store).open(&settings(RingAlgorithm::Ed25519), START).unwrap())
            })
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    for ring in &rings {
        assert_eq!(kids(ring), kids(&rings[0]));
        assert_eq!(ring.session_secret().expose(), rings[0].session_secret().expose());
    }
}

#[test]
fn nothing_secret_is_in_the_clear_on_the_disk() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("state");
    let directory = Arc::new(StateDirectory::enter(&path).unwrap());
    let keeper = RingKeeper::embedded(&directory, &EncryptionKeySource::Generated, entropy()).unwrap();
    let ring = keeper.open(&settings(RingAlgorithm::Es256), START).unwrap();
    let mut secrets = vec![ring.session_secret().expose().to_vec()];
    for key in ring.keys(START) {
        let der = key.key.to_pkcs8_der().unwrap();
        // The private number alone, wherever it may stand: it begins at byte 36 of a P-256 PKCS #8 document.
        assert_eq!(der.expose()[34..36], [0x04, 32]);
        secrets.push(der.expose()[36..68].to_vec());
    }
    let mut files = 0;
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        let content = fs::read(entry.path()).unwrap();
        for secret in &secrets {
            let found = content.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "a secret is readable in {:?}", entry.file_name());
        }
        files += 1;
    }
    assert!(files >= 5, "{files}");
    let shown = format!("{ring:?}");
    assert!(shown.contains("[redacted]") && !shown.contains("PrivateKey"), "{shown}");
}

#[test]
fn another_algorithm_is_one_change_of_the_stored_ring() {
    let store = memory();
    let keeper = keeper(store.clone());
    let first = keeper.open(&settings(RingAlgorithm::Es256), START).unwrap();
    let changed = keeper.open(&settings(RingAlgorithm::Ed25519), START).unwrap();
    assert_eq!(changed.version(), first.version().next());
    assert_eq!(changed.session_secret().expose(), first.session_secret().expose());
    let again = keeper.open(&settings(RingAlgorithm::Ed25519), START).unwrap();
    assert_eq!(again.version(), changed.version());
    assert_eq!(kids(&again), kids(&changed));
    for (kid, _) in kids(&first) {
        assert!(changed.verifies(&kid, START));
    }

    let handle = KeyRingHandle::new(changed);
    handle.replace(first);
    assert_eq!(handle.load().version(), again.version());
}
