use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::{Receiver, Sender, channel},
    },
};

use super::{Lines, Sink};

/// Keeps what it gets; waits for a permission before each write and can be full.
struct Probe {
    written: Arc<Mutex<Vec<u8>>>,
    notes: Sender<String>,
    permission: Receiver<()>,
    full: Arc<AtomicBool>,
}

impl Sink for Probe {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.notes.send("writing".into()).unwrap();
        let _ = self.permission.recv();
        if self.full.load(SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.written.lock().unwrap().extend_from_slice(lines);
        Ok(())
    }

    fn lost(&self, count: u64) -> Vec<u8> {
        format!("lost {count}\n").into_bytes()
    }

    fn failing(&self, error: &io::Error) {
        self.notes.send(format!("failing: {:?}", error.kind())).unwrap();
    }

    fn recovered(&self) {
        self.notes.send("recovered".into()).unwrap();
    }
}

struct Bench {
    written: Arc<Mutex<Vec<u8>>>,
    notes: Receiver<String>,
    permit: Sender<()>,
    full: Arc<AtomicBool>,
}

impl Bench {
    fn new() -> (Self, Probe) {
        let (notes, notes_read) = channel();
        let (permit, permission) = channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let full = Arc::new(AtomicBool::new(false));
        let probe = Probe { written: Arc::clone(&written), notes, permission, full: Arc::clone(&full) };
        (Self { written, notes: notes_read, permit, full }, probe)
    }

    fn note(&self) -> String {
        self.notes.recv().unwrap()
    }

    fn written(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }
}

fn line(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

#[test]
fn a_full_queue_loses_lines_and_says_how_many() {
    let (bench, probe) = Bench::new();
    let (lines, guard) = Lines::with_capacity("test", 2, probe).unwrap();
    lines.send(line("a"));
    assert_eq!(bench.note(), "writing");
    for text in ["b", "c", "d", "e", "f"] {
        lines.send(line(text));
    }
    assert_eq!(lines.losses().lost(), 3);
    drop(bench.permit.clone());
    bench.permit.send(()).unwrap();
    assert_eq!(bench.note(), "writing");
    bench.permit.send(()).unwrap();
    drop(guard);
    assert_eq!(bench.written(), "a\nlost 3\nb\nc\n");
}

#[test]
fn a_full_disk_is_reported_once_and_so_is_its_end() {
    let (bench, probe) = Bench::new();
    let (lines, guard) = Lines::with_capacity("test", 8, probe).unwrap();
    bench.full.store(true, SeqCst);
    lines.send(line("a"));
    assert_eq!(bench.note(), "writing");
    bench.permit.send(()).unwrap();
    assert_eq!(bench.note(), "failing: StorageFull");
    assert!(lines.losses().failing());
    lines.send(line("b"));
    assert_eq!(bench.note(), "writing");
    bench.permit.send(()).unwrap();
    lines.send(line("c"));
    assert_eq!(bench.note(), "writing");
    bench.full.store(false, SeqCst);
    bench.permit.send(()).unwrap();
    assert_eq!(bench.note(), "recovered");
    drop(guard);
    assert!(!lines.losses().failing());
    assert_eq!(lines.losses().lost(), 2);
    assert_eq!(bench.written(), "lost 2\nc\n");
}

#[test]
fn the_guard_waits_for_queued_lines_and_later_ones_are_lost() {
    let (bench, probe) = Bench::new();
    let (lines, guard) = Lines::with_capacity("test", 8, probe).unwrap();
    for text in ["a", "b", "c"] {
        lines.send(line(text));
        bench.permit.send(()).unwrap();
    }
    drop(guard);
    assert_eq!(bench.written(), "a\nb\nc\n");
    lines.send(line("d"));
    assert_eq!(lines.losses().lost(), 1);
}
