//! `countersign demo --script`: the whole story in one process, and the page's own steps in a browser.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

#[test]
fn the_story_ends_well() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let output = command.args(["demo", "--script"]).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}\n{log}", output.status);
    assert!(told.lines().count() >= 5, "{told}");
    let in_a_browser = told.lines().filter(|line| line.starts_with("ok    In a browser: ")).count();
    let skipped = told.contains("page steps left out: no Chromium found");
    assert!(in_a_browser == 8 || (in_a_browser == 0 && skipped), "{told}");
}

/// The three lines that the demo prints, and the README shows, in a shell.
#[test]
fn the_lines_to_copy_do_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["demo", "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut demo = Running(command.spawn().unwrap());
    let mut printed = Vec::new();
    for line in BufReader::new(demo.0.stdout.take().unwrap()).lines() {
        printed.extend(line.unwrap().trim().strip_prefix("curl ").map(|line| format!("curl {line}")));
        if printed.len() == 3 {
            break;
        }
    }
    let url = printed[1].rsplit(' ').next().unwrap();
    let origin = url.strip_suffix("/orders/").unwrap();

    let readme = include_str!("../../../../README.md");
    let shown: Vec<String> = readme
        .lines()
        .filter(|line| line.starts_with("curl "))
        .map(|line| line.split("  ").next().unwrap().replace("http://127.0.0.1:8080", origin))
        .collect();
    for lines in [printed, shown] {
        assert_eq!(lines.len(), 3);
        let said: Vec<String> = lines
            .iter()
            .map(|line| {
                let shell = ["-c", &line.replacen("curl ", "curl -sS --fail ", 1)];
                let output = Command::new("sh").args(shell).current_dir(folder.path()).output().unwrap();
                assert!(output.status.success(), "{line}: {output:?}");
                String::from_utf8(output.stdout).unwrap()
            })
            .collect();
        assert!(said[1].contains("Anvil"), "{}", said[1]);
        let received: serde_json::Value = serde_json::from_str(&said[2]).unwrap();
        assert_eq!(
            (&received["token"]["username"], &received["token"]["audience"]),
            (&"ann".into(), &"orders".into())
        );
        let names = received["header_names"].to_string();
        assert!(names.contains("authorization") && !names.contains("cookie"), "{names}");
    }
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // As Ctrl-C does, so that it removes its files.
        drop(Command::new("kill").args(["-s", "INT", &self.0.id().to_string()]).status());
        drop(self.0.wait());
    }
}
