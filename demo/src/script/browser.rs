//! The eight steps of the page, run by the page itself in a headless browser.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{Report, RunningDemo, Step};

/// The longest wait for the report: 5 min, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(100);

const TITLES: [&str; 8] = [
    "In a browser: a thousand requests, without the gateway and with it",
    "In a browser: one address, two organisations",
    "In a browser: a greyed button is cosmetic, the service refuses",
    "In a browser: forged tokens are refused, each with its reason; an audit finds the hole",
    "In a browser: the token is renewed while somebody types",
    "In a browser: the session ends, the text is saved once after a log-in beside the page, and never as another",
    "In a browser: log-out reaches the other tab and a copied credential",
    "In a browser: keys are rotated and retired under load, and nothing is refused",
];

/// Opens the page in the browser `program` (Chromium or a relative), which runs the steps by itself.
///
/// # Errors
/// In words: the browser does not start, or the page says nothing within 5 minutes.
pub async fn browser_script(
    demo: &RunningDemo,
    program: &Path,
    mut tell: impl FnMut(&Step),
) -> Result<Report, String> {
    let profile = demo.folder().join("browser");
    fs::create_dir_all(&profile).map_err(|error| error.to_string())?;
    let mut browser = Running(open(demo, program, &profile).map_err(|error| error.to_string())?);
    let begin = Instant::now();
    let report = loop {
        if let Some(report) = demo.stage.take_report() {
            break report;
        }
        if begin.elapsed() > PATIENCE {
            return Err("the page said nothing within 5 minutes".to_owned());
        }
        if let Ok(Some(status)) = browser.0.try_wait() {
            return Err(format!("the browser ended by itself ({status})"));
        }
        sleep(LOOK).await;
    };
    drop(browser);
    let told: &[Value] = report.as_array().map_or(&[], Vec::as_slice);
    let steps: Vec<Step> = TITLES
        .iter()
        .enumerate()
        .map(|(number, title)| Step { title, seen: seen(told.get(number)) })
        .collect();
    steps.iter().for_each(&mut tell);
    Ok(Report { steps })
}

fn seen(told: Option<&Value>) -> Result<String, String> {
    let Some(told) = told else { return Err("the page did not come to it".to_owned()) };
    let text = told.get("seen").and_then(Value::as_str).unwrap_or_default().to_owned();
    if told.get("ok").and_then(Value::as_bool) == Some(true) { Ok(text) } else { Err(text) }
}

/// A browser that ends with us.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Either fails only where it has ended already.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn open(demo: &RunningDemo, program: &Path, profile: &Path) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    command
        .args(["--headless=new", "--disable-gpu", "--no-first-run", "--disable-popup-blocking"])
        .arg(format!("--user-data-dir={}", profile.display()));
    // a browser refuses to run as root with its sandbox, and in most containers it has none
    command.arg("--no-sandbox");
    command.arg(format!("{}/?script", demo.gateway_url()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}
