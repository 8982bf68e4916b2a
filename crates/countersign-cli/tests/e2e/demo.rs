//! `countersign demo --script`: the whole story in one process, and the page's own steps in a browser.

use std::process::{Command, Stdio};

#[test]
fn the_story_ends_well() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let output = command.args(["demo", "--script"]).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}\n{log}", output.status);
    assert!(told.lines().count() >= 5, "{told}");
    let in_a_browser = told.lines().filter(|line| line.starts_with("ok    In a browser: ")).count();
    let skipped = told.contains("skipped  the page's eight steps: no Chromium found");
    assert!(in_a_browser == 8 || (in_a_browser == 0 && skipped), "{told}");
}
