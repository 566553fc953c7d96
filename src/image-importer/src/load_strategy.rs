//! The ways of sending an image, from the cheapest to the one that asks least of the engine.

use std::collections::BTreeSet;
use std::fs::File;
use std::time::Instant;

use anyhow::{Context, Result};
use docker_engine::{Engine, ImageStore, Info};
use image_archive::{Depth, Image, Plan, Scope, ZstdLayers};

use crate::advice::from_engine;
use crate::complete::Complete;
use crate::engine_inventory::EngineInventory;
use crate::item::{Item, lacks_image};
use crate::plan::{self, Load, Wanted, WantedLayer};
use crate::sending::{Error, Job, Sent};

/// The first engine whose graph drivers' store unpacks Zstandard.
const UNPACKS_ZSTD: u32 = 23;

/// A way of sending an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadStrategy {
    /// All images at once, without the layers that the engine has or gets with another image.
    LeaveOut,
    /// One after the other, each with all its layers.
    Whole,
    /// The tarball as it lies there.
    Original,
}

impl LoadStrategy {
    /// From the first to the last.
    pub const ALL: [Self; 3] = [Self::LeaveOut, Self::Whole, Self::Original];

    /// In the log's words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeaveOut => "without the layers that are there",
            Self::Whole => "whole and alone",
            Self::Original => "as the original tarball",
        }
    }

    /// The way to try when this one failed. A layout has no original tarball.
    pub fn next(self, image: &Image) -> Option<Self> {
        match self {
            Self::LeaveOut => Some(Self::Whole),
            Self::Whole if image.path().is_file() => Some(Self::Original),
            Self::Whole | Self::Original => None,
        }
    }
}

/// Whether trying in another way is of no use.
pub fn is_final(error: &Error) -> bool {
    match error {
        Error::Image(_) => true,
        Error::Engine(docker_engine::Error::InStream { message, .. }) => {
            message.contains("no space left on device")
        }
        Error::Engine(error) => error.is_engine_down(),
        Error::DependencyFailed => false,
    }
}

/// What is to be sent on a strategy.
pub fn jobs(
    strategy: LoadStrategy,
    engine: &Engine,
    info: &Info,
    (inventory, complete): (&EngineInventory, &Complete),
    items: &[Item],
) -> Result<Vec<Job>> {
    let lacking: Vec<usize> = (0..items.len())
        .filter(|place| items.get(*place).is_some_and(lacks_image))
        .collect();
    let wanted: Vec<Wanted> = lacking
        .into_iter()
        .filter_map(|place| Some(wanted(place, items.get(place)?.image())))
        .collect();
    let loads = match strategy {
        LoadStrategy::LeaveOut => {
            let held = from_engine(inventory.chains(engine, complete))
                .context("asking the engine which layers it has")?;
            plan::leave_out(&wanted, &held, info.image_store())
        }
        LoadStrategy::Whole => plan::whole(&wanted),
        LoadStrategy::Original => plan::whole(&wanted)
            .into_iter()
            .filter(|load| may_go_as_it_is(items, load))
            .collect(),
    };
    let jobs = loads.into_iter().filter_map(|load| {
        let image = items.get(load.image)?.image().clone();
        Some(job(info, image, load))
    });
    Ok(jobs.collect())
}

/// An image as the plan sees it. What is wrong with its config is found when it is verified.
fn wanted(place: usize, image: &Image) -> Wanted {
    let diff_ids = image.diff_ids().unwrap_or_default();
    let layers = image.layers().iter().zip(diff_ids);
    Wanted {
        image: place,
        layers: layers
            .map(|(layer, diff_id)| WantedLayer {
                diff_id,
                stored: layer.digest(),
                size: layer.size(),
            })
            .collect(),
    }
}

fn job(info: &Info, image: Image, load: Load) -> Job {
    // Engine 20.10 has to be given what it can read.
    let unpack_zstd =
        info.image_store() == ImageStore::GraphDriver && info.major_version() < UNPACKS_ZSTD;
    Job {
        scope: Scope {
            leave_out: load.leave_out.clone(),
            // Unpacking takes longer than all the rest. The engine does it anyway, and compares the diff IDs before
            // it makes an image of the layers.
            depth: Depth::Stored,
            unpack_zstd,
        },
        archive: Plan {
            zstd: if unpack_zstd {
                ZstdLayers::Unpack
            } else {
                ZstdLayers::Keep
            },
            leave_out: load.leave_out.clone(),
            // A name is given when the image is known to be complete. Till then it stands for what it stood for; and
            // with the containerd store of engines before 28, loading over a name loses the image that had it.
            leave_unnamed: tags(&image),
        },
        image,
        load,
    }
}

fn tags(image: &Image) -> BTreeSet<image_archive::Reference> {
    let references = image.references().iter();
    references
        .filter_map(image_archive::Reference::tagged)
        .collect()
}

/// A tarball is sent unmodified only if all that is in it was found right.
fn may_go_as_it_is(items: &[Item], load: &Load) -> bool {
    let Some(path) = items.get(load.image).map(|item| item.image().path()) else {
        return false;
    };
    let same = items.iter().filter(|item| item.image().path() == path);
    path.is_file() && !same.into_iter().any(Item::is_wrong)
}

/// Sends tarballs as they are, one after the other.
pub fn send_originals(engine: &Engine, jobs: &[Job]) -> Vec<Sent> {
    let send = |job: &Job| {
        let began = Instant::now();
        let path = job.image.path();
        let (bytes, outcome) = match File::open(path) {
            Ok(file) => {
                let bytes = file.metadata().map_or(0, |metadata| metadata.len());
                (bytes, engine.load(file).map(drop).map_err(Error::from))
            }
            Err(source) => {
                let path = path.to_owned();
                let error = image_archive::Error::Read { path, source };
                (0, Err(Error::from(error)))
            }
        };
        Sent {
            bytes,
            elapsed: began.elapsed(),
            outcome,
        }
    };
    jobs.iter().map(send).collect()
}
