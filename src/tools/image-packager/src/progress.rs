//! What people see while layers come: bars on a terminal, a line a finished layer elsewhere. All of it on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use image_archive::Descriptor;
use indicatif::{DecimalBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The voice of a command under way.
#[derive(Debug)]
pub struct Progress {
    bars: Option<MultiProgress>,
    layers: AtomicUsize,
    bytes: AtomicU64,
}

/// One layer that comes.
#[derive(Debug)]
pub struct Bar<'a> {
    progress: &'a Progress,
    drawn: Option<ProgressBar>,
    name: String,
    size: u64,
}

impl Progress {
    /// Bars if standard error is a terminal.
    #[must_use]
    pub fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = || ProgressDrawTarget::stderr_with_hz(10);
        Self {
            bars: terminal.then(|| MultiProgress::with_draw_target(target())),
            layers: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// A layer begins to come.
    #[must_use]
    pub fn layer(&self, layer: &Descriptor) -> Bar<'_> {
        let name = layer
            .digest
            .to_string()
            .chars()
            .take("sha256:".len() + 12)
            .collect::<String>();
        let drawn = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(layer.size));
            bar.set_style(style());
            bar.set_message(name.clone());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Bar {
            progress: self,
            drawn,
            name,
            size: layer.size,
        }
    }

    /// Layers that came, and their bytes.
    #[must_use]
    pub fn fetched(&self) -> (usize, u64) {
        (
            self.layers.load(Ordering::Relaxed),
            self.bytes.load(Ordering::Relaxed),
        )
    }

    /// Says something above the bars.
    pub fn say(&self, line: &str) {
        let print = || {
            // Nobody reads standard error: nothing to be done about it, and no reason to stop.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        };
        match &self.bars {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Bar<'_> {
    /// So many bytes of the layer are there.
    pub fn set(&self, bytes: u64) {
        if let Some(bar) = &self.drawn {
            bar.set_position(bytes);
        }
    }

    /// All of it was sent.
    pub fn pushed(self) {
        let (name, size) = (&self.name, DecimalBytes(self.size));
        self.progress.say(&format!("pushed blob {name} ({size})"));
    }

    /// All of it came.
    pub fn done(self) {
        self.progress.layers.fetch_add(1, Ordering::Relaxed);
        self.progress.bytes.fetch_add(self.size, Ordering::Relaxed);
        self.progress.say(&format!(
            "fetched layer {} ({})",
            self.name,
            DecimalBytes(self.size)
        ));
    }
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        if let (Some(bar), Some(bars)) = (&self.drawn, &self.progress.bars) {
            bar.finish_and_clear();
            bars.remove(bar);
        }
    }
}

fn style() -> ProgressStyle {
    const TEMPLATE: &str = "{msg} [{bar:30}] {decimal_bytes:>9} of {decimal_total_bytes:>9}, {decimal_bytes_per_sec}, {eta} left";
    ProgressStyle::with_template(TEMPLATE)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
