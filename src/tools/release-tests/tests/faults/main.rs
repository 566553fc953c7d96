//! Faults: what dies, hangs, fills up or is switched off, at each moment of a recipe's life. After each the recipe is back, or an
//! error says why; no volume has lost a byte; and nothing is left behind.
//!
//! The quick ones run in `ci/test`, all of them in `ci/test full`.

mod clock;
mod crowd;
mod deaths;
mod few;
mod full_disk;
mod hung;
mod inventory;
mod missed_ends;
mod reboots;
mod restarts;
mod scene;
