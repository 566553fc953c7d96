//! What the mutation tests share: how inputs are changed, swallowed and counted.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;
use image_archive::{
    DockerArchive, Error, Image, Layouts, Limits, Plan, Platform, Source, ZstdLayers,
};
use image_fixture::TestImage;

use crate::common::{Place, chain};

pub const ROUNDS: usize = 10_000;

pub fn image() -> TestImage {
    TestImage::empty()
        .with_layer(&[("a", b"a")])
        .with_layer(&[("b", b"b")])
}

pub fn mutate(random: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..random.usize(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.usize(..bytes.len());
        match random.u8(..6) {
            0 => bytes[at] ^= 1 << random.u8(..8),
            1 => bytes[at] = random.u8(..),
            2 => bytes.insert(at, *b"0{[\"}],:9-eE".get(random.usize(..12)).unwrap()),
            3 => drop(bytes.remove(at)),
            4 => {
                let end = (at + random.usize(1..64)).min(bytes.len());
                bytes.extend_from_within(at..end);
            }
            _ if random.u8(..8) == 0 => bytes.truncate(at),
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
}

/// Mostly in what is not a zero, so that headers and documents are hit.
pub fn mutate_tarball(random: &mut Rng, bytes: &mut Vec<u8>) {
    if random.u8(..4) == 0 {
        mutate(random, bytes);
        return;
    }
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let at = places[random.usize(..places.len())];
    bytes[at] = random.u8(..);
}

/// Opens, verifies and writes what is at `path`; the error, or the names of the images that were taken.
pub fn swallow(path: &Path) -> Result<Vec<Image>, Error> {
    let began = Instant::now();
    let outcome = swallow_all(path);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "an input took {:?}",
        began.elapsed()
    );
    outcome
}

fn swallow_all(path: &Path) -> Result<Vec<Image>, Error> {
    let limits = Limits {
        unpacked: 1 << 20,
        ratio: 50,
        ..Limits::DEFAULT
    };
    let source = Source::open(path, &Layouts::default(), &Platform::host(), limits)?;
    let mut taken = Vec::new();
    for image in source.into_images() {
        let image = image?;
        let verified = image.verify()?;
        let target = image.target()?;
        let mut written = Vec::new();
        DockerArchive::new(
            verified,
            Plan {
                zstd: ZstdLayers::Unpack,
                ..Plan::default()
            },
        )
        .write(&mut written)?;
        assert!(written.len() < 1 << 20 && !target.to_string().is_empty());
        taken.push(image);
    }
    Ok(taken)
}

pub struct Tally {
    past: usize,
    taken: usize,
    began: Instant,
}

impl Tally {
    pub fn new() -> Self {
        Self {
            past: 0,
            taken: 0,
            began: Instant::now(),
        }
    }

    /// `first` says of an error that it comes from the first parsing step.
    pub fn note(
        &mut self,
        original: &str,
        outcome: &Result<Vec<Image>, Error>,
        first: impl Fn(&Error) -> bool,
    ) {
        match outcome {
            Ok(images) => {
                (self.past, self.taken) = (self.past + 1, self.taken + 1);
                for image in images {
                    // Names are not under the digest; everything else is.
                    assert_eq!(
                        image.config_digest().to_string(),
                        original,
                        "a changed image was taken"
                    );
                }
            }
            Err(error) => {
                let line = chain(error);
                assert!(
                    line.len() < 4000 && !line.contains(char::is_control),
                    "{line:?}"
                );
                self.past += usize::from(!first(error));
            }
        }
    }

    pub fn finish(self, what: &str) {
        let Self { past, taken, began } = self;
        println!(
            "{what}: {past} of {ROUNDS} got past the first step, {taken} were taken, {:?}",
            began.elapsed()
        );
        assert!(
            past >= ROUNDS / 3,
            "{what}: only {past} got past the first step"
        );
        let peak = peak_memory();
        assert!(peak < 256 << 20, "{what} took {peak} bytes of memory");
    }
}

/// A place in memory if there is one: ext4 flushes a file that is written over, ten thousand times.
pub fn fast_place() -> (Place, PathBuf) {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() {
        Place::within(memory)
    } else {
        Place::new()
    };
    let path = place.path().join("input");
    (place, path)
}

/// The most memory that this process ever had, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes << 10
}
