//! Runs the binary and compares what it prints with files.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) output: String,
    pub(crate) complaint: String,
}

/// Runs `countersign` in a folder, with nothing of our environment that could change what it prints.
pub(crate) fn countersign(folder: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments).current_dir(folder).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads no input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let ran = Ran {
        code: output.status.code().expect("ended by itself"),
        output: String::from_utf8(output.stdout).unwrap(),
        complaint: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(!ran.complaint.contains("panicked"), "{}", ran.complaint);
    ran
}

/// Compares a text with the file of that name; `UPDATE_EXPECTED=1` writes the file.
pub(crate) fn expect(name: &str, text: &str) {
    let path = expected(name);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, text).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == wanted, "{} differs; printed was:\n{text}", path.display());
}

/// A file beside the tests.
pub(crate) fn expected(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/expected").join(name)
}

#[test]
fn a_wrong_command_line_is_2_and_help_is_0() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code) in [
        (&[][..], 2),
        (&["no-such-command"], 2),
        (&["check"], 2),
        (&["check", "--config"], 2),
        (&["check", "--config", "a", "--offline", "--cookie-file", "b"], 2),
        (&["token", "--keys", "a"], 2),
        (&["config"], 2),
        (&["--help"], 0),
        (&["check", "--help"], 0),
        (&["--version"], 0),
    ] {
        let ran = countersign(folder.path(), arguments, "");
        assert_eq!(ran.code, code, "{arguments:?} {ran:?}");
        assert_eq!(ran.output.is_empty(), code != 0, "{arguments:?} {ran:?}");
    }
}

#[test]
fn help_is_as_written() {
    let folder = tempfile::tempdir().unwrap();
    expect("help.txt", &countersign(folder.path(), &["--help"], "").output);
    expect("help-check.txt", &countersign(folder.path(), &["check", "--help"], "").output);
}
