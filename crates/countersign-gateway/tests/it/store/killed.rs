//! A gateway that is killed at any moment has lost nothing that it acknowledged.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use countersign_gateway::store::Store;

use super::{
    revocations::{embedded, epoch, revoked, session},
    sealed_ring::records,
};

/// Where the child writes.
const FOLDER: &str = "COUNTERSIGN_TEST_KILLED_FOLDER";

/// Not a test of its own: what the child process does. Writes and says so, until it is killed.
#[test]
fn child() {
    #[expect(clippy::disallowed_methods, reason = "how the parent tells its child where to write")]
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = embedded(Path::new(&folder));
    store.begin_epoch(&epoch("child")).unwrap();
    let mut version = match store.ring().unwrap() {
        Some(ring) => ring.version,
        None => store.create_ring(&records("0")).unwrap(),
    };
    let begin = store.revocations(0).unwrap().newest;
    for n in begin + 1.. {
        let newest = store.append(&[revoked(session(&n.to_string()), 1, u64::MAX, 0)]).unwrap();
        println!("\nrevoked {}", newest.seq);
        if n.is_multiple_of(3) {
            version = store.replace_ring(version, &records(&n.to_string())).unwrap();
            println!("\nring {}", version.as_number());
        }
    }
}

#[test]
fn kill_9_at_any_moment_loses_nothing_that_was_acknowledged() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("state");
    let mut revocations = 0;
    for lines in [1, 2, 5, 9, 14, 30] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::killed::child", "--nocapture", "--test-threads=1"])
            .env(FOLDER, &folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (mut line, mut heard, mut ring) = (String::new(), 0, 0);
        let mut hear = |line: &str| {
            if let Some(seq) = line.strip_prefix("revoked ") {
                revocations = seq.trim().parse::<u64>().unwrap();
                true
            } else if let Some(version) = line.strip_prefix("ring ") {
                ring = version.trim().parse::<u64>().unwrap();
                true
            } else {
                false
            }
        };
        while heard < lines && output.read_line(&mut line).unwrap() > 0 {
            heard += usize::from(hear(&line));
            line.clear();
        }
        assert_eq!(heard, lines, "the child ended by itself");
        // SIGKILL, in the middle of whatever it does now.
        child.kill().unwrap();
        child.wait().unwrap();
        // What was said before the end was acknowledged too. The last line may be cut.
        while output.read_line(&mut line).unwrap() > 0 {
            if line.ends_with('\n') {
                hear(&line);
            }
            line.clear();
        }
        let store = embedded(&folder);
        store.begin_epoch(&epoch("parent")).unwrap();
        let stored = store.revocations(0).unwrap();
        assert!(stored.newest >= revocations, "{} < {revocations}", stored.newest);
        let numbers: Vec<u64> = stored.records.iter().map(|record| record.seq).collect();
        assert_eq!(numbers, (1..=stored.newest).collect::<Vec<_>>());
        let found = store.ring().unwrap().unwrap();
        assert!(found.version.as_number() >= ring, "{} < {ring}", found.version);
        assert_eq!(found.records.len(), 2);
    }
    assert!(revocations >= 30);
}
