//! Progress of long work on stderr: a bar on a terminal, a line for each stage elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sandpiper::images::{Progress, Stage};

use crate::render;

/// A progress bar that names the stage.
pub(crate) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(crate) fn new() -> Self {
        Self { bar: ProgressBar::no_length() }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn stage(&self, stage: &Stage) {
        let Stage { name, index, count } = stage;
        if self.bar.is_hidden() {
            render::note(&format!("[{index}/{count}] {name}"));
            return;
        }
        let style =
            ProgressStyle::with_template("{spinner} {prefix} {msg} [{elapsed}] {wide_bar} {percent}%");
        if let Ok(style) = style {
            self.bar.set_style(style);
        }
        self.bar.enable_steady_tick(Duration::from_millis(120));
        self.bar.set_length(u64::from(*count));
        self.bar.set_position(u64::from(index.saturating_sub(1)));
        self.bar.set_prefix(format!("[{index}/{count}]"));
        self.bar.set_message(name.clone());
    }

    fn advance(&self, done: u64, total: u64) {
        if total > 0 {
            self.bar.set_length(total);
            self.bar.set_position(done);
        }
    }

    fn note(&self, text: &str) {
        self.bar.suspend(|| render::note(text));
    }
}
