//! `countersign demo --script`: the whole story in one process, without a browser.

use std::process::{Command, Stdio};

#[test]
fn the_story_ends_well() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let output = command.args(["demo", "--script"]).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}\n{log}", output.status);
    assert!(told.lines().count() >= 5, "{told}");
}
