use std::{fs, num::NonZeroUsize, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use countersign::UnixTime;

use super::{
    EmbeddedAnswers, FILE,
    file::{AnswerFile, Write},
};
use crate::{
    clock::{Clock, ManualClock, SystemClock},
    observe::Observer,
    session::shared::{SharedCache as _, Unread},
    store::StateDirectory,
};

const NOW: UnixTime = UnixTime::from_secs(1_000_000);

fn rows(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn open(path: &Path) -> (AnswerFile, Option<String>) {
    AnswerFile::open(path, rows(100)).unwrap()
}

/// Whose look-ups wait until they are answered, on a machine that is busy with others too.
fn patient(directory: &StateDirectory, count: usize, clock: Arc<dyn Clock>) -> EmbeddedAnswers {
    let mut answers =
        EmbeddedAnswers::start(directory, rows(count), clock, Observer::without_files()).unwrap();
    answers.find_timeout = Duration::from_secs(60);
    answers
}

fn keep(name: &str, bytes: usize, life: u64) -> Write {
    let until = UnixTime::from_secs(NOW.as_secs() + life);
    Write::Keep { name: name.to_owned(), sealed: vec![7; bytes], until }
}

#[test]
fn what_is_kept_is_found_until_its_time_is_over_or_it_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let (mut file, anew) = open(&path);
    assert_eq!(anew, None);
    file.write(
        vec![keep("a", 3, 10), keep("b", 3, 10), keep("a", 4, 20), Write::Forget("b".to_owned())],
        NOW,
    )
    .unwrap();
    drop(file);
    let (file, anew) = open(&path);
    assert_eq!((anew, file.len()), (None, 1));
    let at = |secs| file.find("a", UnixTime::from_secs(NOW.as_secs() + secs)).unwrap();
    assert_eq!((at(19), at(20)), (Some(vec![7; 4]), None));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_is_no_good_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let other_schema = |path: &Path| {
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
    };
    let garbage = |path: &Path| fs::write(path, vec![b'x'; 9_000]).unwrap();
    let torn = |path: &Path| {
        let length = fs::metadata(path).unwrap().len();
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(length / 2).unwrap();
    };
    let opened_up = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let spoils: [&dyn Fn(&Path); 4] = [&other_schema, &garbage, &torn, &opened_up];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let (mut file, _) = open(&path);
        for name in 0..50 {
            file.write(vec![keep(&format!("{name}"), 2_000, 10)], NOW).unwrap();
        }
        drop(file);
        spoil(&path);
        let (mut file, anew) = open(&path);
        assert!(anew.is_some() && file.len() == 0, "case {number}: {anew:?}");
        file.write(vec![keep("a", 3, 10)], NOW).unwrap();
        assert!(file.find("a", NOW).unwrap().is_some());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn it_stays_within_its_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let (mut file, _) = open(&folder.path().join(FILE));
    for round in 0..50 {
        let writes = (0..100).map(|name| keep(&format!("{round}-{name}"), 10, 100 + round)).collect();
        file.write(writes, NOW).unwrap();
    }
    assert!(file.len() <= 100 + 1_024, "{}", file.len());
    assert!(file.find("49-99", NOW).unwrap().is_some(), "the oldest went");
    assert!(file.find("0-0", NOW).unwrap().is_none());
    // And what is over goes with the next tidying.
    let later = UnixTime::from_secs(NOW.as_secs() + 1_000);
    let writes = (0..1_100).map(|name| keep(&format!("{name}"), 10, 2_000)).collect();
    file.write(writes, later).unwrap();
    assert!(file.find("49-99", NOW).unwrap().is_none());
}

#[test]
fn on_a_full_disk_nothing_is_kept_and_later_it_is_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut file, _) = open(&folder.path().join(FILE));
    file.limit_pages(40);
    let full = (0..100).find_map(|name| file.write(vec![keep(&format!("{name}"), 3_000, 10)], NOW).err());
    assert!(full.is_some_and(|error| !super::file::is_damaged(&error)), "40 pages hold no 100 answers");
    file.write(vec![keep("later", 3_000, 20)], NOW).unwrap();
    assert!(file.find("later", NOW).unwrap().is_some());
}

#[tokio::test]
async fn the_next_process_finds_what_was_kept_and_a_damaged_file_hurts_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let directory = StateDirectory::enter(&folder.path().join("state")).unwrap();
    let start = || patient(&directory, 100, Arc::new(SystemClock::start()));
    let (one, hour) = (start(), Duration::from_secs(3_600));
    one.keep("a".to_owned(), vec![1, 2], hour);
    one.keep("b".to_owned(), vec![3], hour);
    one.forget("b".to_owned());
    assert_eq!(one.find("a").await, Ok(Some(vec![1, 2])), "in the order it was asked");
    drop(one);
    let next = start();
    assert_eq!((next.find("a").await, next.find("b").await), (Ok(Some(vec![1, 2])), Ok(None)));
    drop(next);
    // Its thread has closed the file.
    while directory.file(&format!("{FILE}-wal")).exists() {
        tokio::task::yield_now().await;
    }
    fs::write(directory.file(FILE), vec![b'x'; 9_000]).unwrap();
    let after = start();
    assert_eq!(after.find("a").await, Ok(None));
    after.keep("a".to_owned(), vec![4], hour);
    assert_eq!(after.find("a").await, Ok(Some(vec![4])));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_file_that_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let directory = StateDirectory::enter(&folder.path().join("state")).unwrap();
    // In its place is a folder: it cannot be opened at all.
    fs::create_dir(directory.file(FILE)).unwrap();
    let clock = Arc::new(ManualClock::at(NOW.as_secs()));
    let answers = EmbeddedAnswers::start(&directory, rows(100), clock, Observer::without_files()).unwrap();
    answers.keep("a".to_owned(), vec![1], Duration::from_secs(10));
    let begin = tokio::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(answers.find("a").await, Err(Unread));
    }
    assert!(begin.elapsed() <= 2 * super::FIND_TIMEOUT, "{:?}", begin.elapsed());
}

/// After a restart everybody comes at once.
#[tokio::test]
async fn a_burst_finds_everything_that_was_kept() {
    const SESSIONS: usize = 5_000;
    let outer = tempfile::tempdir().unwrap();
    let directory = StateDirectory::enter(&outer.path().join("state")).unwrap();
    let (mut file, _) = AnswerFile::open(&directory.file(FILE), rows(SESSIONS)).unwrap();
    let far = SystemClock::start().now().wall.saturating_add(Duration::from_secs(3_600));
    let all =
        (0..SESSIONS).map(|name| Write::Keep { name: name.to_string(), sealed: vec![7; 500], until: far });
    file.write(all.collect(), NOW).unwrap();
    drop(file);
    let clock = Arc::new(SystemClock::start());
    let answers = Arc::new(patient(&directory, SESSIONS, clock));
    // The thread has opened the file.
    assert!(answers.find("0").await.unwrap().is_some());
    let mut finding = tokio::task::JoinSet::new();
    for name in 0..SESSIONS {
        let answers = Arc::clone(&answers);
        finding.spawn(async move { answers.find(&name.to_string()).await });
    }
    let found = finding.join_all().await;
    // More than there are places in the queue.
    assert!(found.iter().all(|found| matches!(found, Ok(Some(_)))));
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_ends_nothing_before_its_time() {
    let outer = tempfile::tempdir().unwrap();
    let directory = StateDirectory::enter(&outer.path().join("state")).unwrap();
    let clock = Arc::new(ManualClock::at(NOW.as_secs()));
    let answers = patient(&directory, 9_000, clock.clone());
    answers.keep("a".to_owned(), vec![7], Duration::from_secs(60));
    assert!(answers.find("a").await.unwrap().is_some());
    clock.set_wall(NOW.as_secs() + 3_600);
    // Enough is written for what is over to be dropped.
    for name in 0..2_000 {
        answers.keep(name.to_string(), vec![7], Duration::from_secs(60));
        assert!(answers.find("a").await.unwrap().is_some(), "{name}");
    }
    clock.advance(Duration::from_secs(61));
    assert_eq!(answers.find("a").await, Ok(None));
}
