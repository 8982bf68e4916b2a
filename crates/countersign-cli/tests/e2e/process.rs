//! A program under test or beside it: started, listened to, and ended by its own process id.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

/// Longest wait for a program's first line, or for an answer to a line.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program whose standard output is lines of JSON.
///
/// It ends when it is dropped, and at the latest with the test process: its standard input closes then.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Mutex<Receiver<String>>,
    output: Arc<Mutex<String>>,
    /// The first line.
    pub(crate) ready: Value,
}

impl Process {
    /// Starts a program and waits for its first line, which is one JSON object.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = Arc::new(Mutex::new(String::new()));
        let (sender, lines) = channel();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let input = child.stdin.take();
        read_lines(stdout, Arc::clone(&output), move |line| drop(sender.send(line)));
        read_lines(stderr, Arc::clone(&output), drop);
        let first = lines.recv_timeout(PATIENCE).unwrap_or_else(|error| {
            drop(child.kill());
            panic!("{command:?} said nothing ({error}):\n{}", output.lock().unwrap())
        });
        let ready = serde_json::from_str(&first).unwrap_or_else(|error| panic!("{first}: {error}"));
        Self { child, input, lines: Mutex::new(lines), output, ready }
    }

    /// The address that the first line tells, or the first of several.
    pub(crate) fn listening(&self) -> &str {
        let listening = &self.ready["listening"];
        listening.as_str().or_else(|| listening[0].as_str()).unwrap()
    }

    /// Writes one line and reads one.
    pub(crate) fn ask(&mut self, question: &Value) -> Value {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{question}").unwrap();
        input.flush().unwrap();
        let answer = self
            .lines
            .get_mut()
            .unwrap()
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("{error}:\n{}", self.output()));
        serde_json::from_str(&answer).unwrap()
    }

    /// Everything the program wrote so far, standard error included.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Sends a signal: `TERM`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(status.success(), "kill -s {name} {id}: {status}");
    }

    /// Ends the program at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How the program ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads a stream to its end on a thread of its own.
fn read_lines(
    stream: impl Read + Send + 'static,
    output: Arc<Mutex<String>>,
    each: impl Fn(String) + Send + 'static,
) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            {
                let mut output = output.lock().unwrap();
                output.push_str(&line);
                output.push('\n');
            }
            each(line);
        }
    });
}
