//! ^C: end soon, and keep what has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use registry_client::Client;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::output;

/// What a shell sees of a program that ^C ended: 128 and the signal's number.
pub const CODE: u8 = 130;

/// Sets the flag that is returned, and ends what the client does, at the first signal; a second one ends the program.
pub fn watch(client: Client) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("waiting for signals")?;
    let flag = stop.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if flag.swap(true, Ordering::Relaxed) {
                // If that fails there is nothing left to try: the first signal still ends the program, only later.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
            client.cancel();
            output::remark("interrupted: ending; what has come is kept for the next run");
        }
    });
    Ok(stop)
}
