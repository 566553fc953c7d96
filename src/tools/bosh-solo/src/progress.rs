//! What a person sees while a task runs: `Task` lines on standard error, in the manner of `bosh`.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Instant;

/// The running task's voice.
#[derive(Debug)]
pub struct Progress {
    colour: bool,
    silent: bool,
    started: Instant,
    warned: Mutex<Vec<String>>,
}

impl Progress {
    /// Writes to standard error; in colour on a terminal unless `no_color`.
    pub fn new(no_color: bool) -> Self {
        Self {
            colour: !no_color && std::io::stderr().is_terminal(),
            silent: false,
            started: Instant::now(),
            warned: Mutex::default(),
        }
    }

    /// Says nothing.
    #[cfg(test)]
    pub fn silent() -> Self {
        Self {
            silent: true,
            ..Self::new(true)
        }
    }

    /// One line, with the time since the task began.
    pub fn say(&self, text: &str) {
        let seconds = self.started.elapsed().as_secs();
        self.line(&format!(
            "Task {:02}:{:02} | {text}",
            seconds / 60,
            seconds % 60
        ));
    }

    /// A warning; the same one is given once.
    pub fn warn(&self, text: &str) {
        if let Ok(mut warned) = self.warned.lock() {
            if warned.iter().any(|earlier| earlier == text) {
                return;
            }
            warned.push(text.to_owned());
        }
        if self.colour {
            self.line(&format!("\u{1b}[33mwarning:\u{1b}[0m {text}"));
        } else {
            self.line(&format!("warning: {text}"));
        }
    }

    /// Says that a step begins; the returned guard says how long it took.
    pub fn step(&self, text: impl Into<String>) -> Step<'_> {
        let text = text.into();
        self.say(&text);
        Step {
            progress: self,
            text,
            started: Instant::now(),
        }
    }

    fn line(&self, text: &str) {
        if !self.silent {
            // Nobody reads standard error: nothing to be done about it, and no reason to stop.
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }
}

/// A step under way.
#[derive(Debug)]
pub struct Step<'a> {
    progress: &'a Progress,
    text: String,
    started: Instant,
}

impl Step<'_> {
    /// Seconds since the step began.
    pub fn seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// Says that the step still runs, and for how long.
    pub fn still_running(&self) {
        self.progress
            .say(&format!("{}: {} s so far", self.text, self.seconds()));
    }

    /// Says that the step is over and how long it took.
    pub fn done(self) {
        self.progress.say(&format!(
            "{}: done in {:.1} s",
            self.text,
            self.started.elapsed().as_secs_f64()
        ));
    }
}
