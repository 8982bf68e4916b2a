//! A bar on a terminal, nothing elsewhere.

use countersign_audit::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::screen::Screen;

pub(super) struct Bar {
    bar: ProgressBar,
    failed: usize,
}

impl Bar {
    pub(super) fn new(screen: Screen, quiet: bool) -> Self {
        let target = if screen.error_terminal && !quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}") {
            bar.set_style(style);
        }
        Self { bar, failed: 0 }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn waiting(&mut self) {
        self.bar.set_message("waiting until the service accepts a good token");
        self.bar.tick();
    }

    fn operation(&mut self, name: &str, done: usize, of: usize) {
        self.bar.set_length(u64::try_from(of).unwrap_or(u64::MAX));
        self.bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        let failed = if self.failed > 0 { format!("  {} findings", self.failed) } else { String::new() };
        self.bar.set_message(format!("{name}{failed}"));
    }

    fn cells(&mut self, _: usize, failed: usize) {
        self.failed = self.failed.saturating_add(failed);
    }
}
