//! A verifier in another language: a program that answers each line of JSON with one.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

/// A running program. It ends when it is dropped.
pub(super) struct Counterpart {
    /// Its name.
    pub(super) name: &'static str,
    /// Whether it signs under the newer name of `EdDSA`.
    pub(super) signs_ed25519: bool,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Counterpart {
    /// jose alone: the only one that knows proofs of possession.
    pub(super) fn jose() -> Self {
        let programs = root().join("crates/countersign-cli/tests/e2e/counterparts");
        assert!(programs.join("node_modules").is_dir(), "{MISSING}");
        let mut node = Command::new("node");
        node.arg(programs.join("verify_jose.mjs"));
        Self::start("jose", true, node)
    }

    /// All four.
    pub(super) fn all() -> [Self; 4] {
        let root = root();
        let programs = root.join("crates/countersign-cli/tests/e2e/counterparts");
        let installed = root.join(".e2e");
        assert!(installed.join("python/joserfc").is_dir(), "{MISSING}");
        let python = |program| {
            let mut command = Command::new("python3");
            command.args(["-W", "ignore"]).arg(programs.join(program));
            command.env("PYTHONPATH", installed.join("python")).env("PYTHONDONTWRITEBYTECODE", "1");
            command
        };
        let mut go = Command::new("go");
        // Debian's package of the module stands outside any module.
        go.arg("run").arg(programs.join("verify_golang_jwt.go"));
        go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOFLAGS", "");
        go.env("GOCACHE", installed.join("go"));
        [
            Self::jose(),
            Self::start("PyJWT", false, python("verify_pyjwt.py")),
            Self::start("joserfc", true, python("verify_joserfc.py")),
            Self::start("golang-jwt", false, go),
        ]
    }

    fn start(name: &'static str, signs_ed25519: bool, mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut counterpart = Self { name, signs_ed25519, child, input, output };
        assert_eq!(counterpart.line().trim().replace(' ', ""), r#"{"listening":"stdin"}"#, "{name}");
        counterpart
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{} has ended", self.name);
        line
    }

    fn answer(&mut self, question: &Value) -> String {
        writeln!(self.input, "{question}").unwrap();
        self.input.flush().unwrap();
        self.line()
    }

    /// The answer to a question.
    pub(super) fn ask(&mut self, question: &Value) -> Value {
        serde_json::from_str(&self.answer(question)).unwrap()
    }

    /// Whether a token is refused. The claims of the answer may be deeper than any reader here goes.
    pub(super) fn refuses(&mut self, question: &Value) -> bool {
        let answer = self.answer(question);
        let is_refusal = answer.starts_with("{\"refused\"");
        assert!(is_refusal || answer.starts_with("{\"claims\""), "{}: {answer}", self.name);
        is_refusal
    }
}

const MISSING: &str = "the verifiers in other languages are missing: run `./test test`";

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

impl Drop for Counterpart {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
