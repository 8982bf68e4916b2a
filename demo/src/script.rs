//! The story of the demo without a browser: each step does something real, and says what came of it.

mod actor;
mod browser;
mod story;

use std::fmt;

use crate::RunningDemo;

pub use self::browser::browser_script;

/// One step of the story.
#[derive(Debug, Clone)]
pub struct Step {
    /// What is shown.
    pub title: &'static str,
    /// What was seen, or what was expected and did not come.
    pub seen: Result<String, String>,
}

impl Step {
    /// True if everything came as expected.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.seen.is_ok()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, lines) = match &self.seen {
            Ok(seen) => ("ok  ", seen),
            Err(missing) => ("FAIL", missing),
        };
        write!(f, "{mark}  {}", self.title)?;
        lines.lines().try_for_each(|line| write!(f, "\n        {line}"))
    }
}

/// The whole story.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

impl Report {
    /// True if every step came as expected.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.steps.iter().all(Step::is_ok)
    }
}

impl fmt::Display for Report {
    /// One line: how many steps, and how many failed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.steps.iter().filter(|step| !step.is_ok()).count();
        match failed {
            0 => write!(f, "{} steps, all as expected", self.steps.len()),
            failed => write!(f, "{} steps, {failed} NOT as expected", self.steps.len()),
        }
    }
}

/// Tells the story through the gateway at `base_url`, such as `http://127.0.0.1:8080`. `tell` is called after each
/// step. A step that fails does not end the story, but one that others need does.
pub async fn script(demo: &RunningDemo, base_url: &str, mut tell: impl FnMut(&Step)) -> Report {
    let mut steps = Vec::new();
    let mut story = story::Story::new(demo, base_url.trim_end_matches('/'));
    for title in story::TITLES {
        let seen = story.step(title).await;
        let step = Step { title: title.text(), seen };
        tell(&step);
        let goes_on = step.is_ok() || !title.is_needed_later();
        steps.push(step);
        if !goes_on {
            break;
        }
    }
    Report { steps }
}
