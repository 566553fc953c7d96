//! Bringing images into the engine: only what is missing, verified before and after.
//!
//! What the engine lacks is sent in rounds, each of which asks less of the engine than the one before: see [`LoadStrategy`].

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bosh_job::{Advise, ExitCode};
use docker_engine::{Engine, ImageStore, Info};
use image_archive::{Platform, Reference};
use state_files::{ImageLedger, ImportAction};

use crate::advice::{from_engine, from_image};
use crate::budget::Budget;
use crate::complete::Complete;
use crate::engine_inventory::{self, EngineInventory, Found};
use crate::interruption::{self, Interruptions, Patience};
use crate::item::{Item, lacks_image};
use crate::load_strategy::{self, LoadStrategy};
use crate::sending::{self, Job, Sent};

/// Threads that ask the engine for each that would read images: they mostly wait.
const ASKERS: usize = 2;

/// Where the images go.
pub struct Importer<'a> {
    engine: &'a Engine,
    info: &'a Info,
    platform: &'a Platform,
    complete: &'a Complete,
    budget: Budget,
    patience: Patience,
}

impl<'a> Importer<'a> {
    /// An importer into the engine that said `info`.
    pub fn new(
        engine: &'a Engine,
        info: &'a Info,
        platform: &'a Platform,
        complete: &'a Complete,
        budget: Budget,
        patience: Patience,
    ) -> Self {
        Self {
            engine,
            info,
            platform,
            complete,
            budget,
            patience,
        }
    }

    /// The engine's image store.
    pub fn store(&self) -> ImageStore {
        self.info.image_store()
    }

    /// Sees to it that the engine has all images, complete and with all their names. What fails for one image is noted
    /// with it; an error is of the engine, and ends everything.
    ///
    /// What is brought is noted before it is sent, and struck out again if the engine did not get it.
    ///
    /// An engine that goes away meanwhile, or loses its containerd, is waited for, and what it did not get is sent again.
    pub fn import(&self, items: &mut [Item], ledger: &mut ImageLedger) -> Result<()> {
        let mut interruptions = Interruptions::new(self.patience);
        loop {
            let ended = self.import_once(items, ledger);
            let of_items = items.iter().filter_map(|item| item.error.as_ref());
            let Some(why) = interruption::first(ended.as_ref().err().into_iter().chain(of_items))
            else {
                return ended;
            };
            if !interruptions.wait(self.engine, &why) {
                return ended;
            }
            items.iter_mut().for_each(Item::reopen);
        }
    }

    fn import_once(&self, items: &mut [Item], ledger: &mut ImageLedger) -> Result<()> {
        let inventory = self.ask(items)?;
        for item in items.iter_mut() {
            self.look(&inventory, item)?;
        }
        let noted = self.note(items, ledger);
        // If the engine goes away meanwhile, it is not known what it got.
        self.bring(inventory, items)?;
        for item in items.iter().filter(|item| !item.found.complete) {
            if noted.contains(&item.found.digest) {
                ledger.forget(&item.found.digest);
            }
        }
        Ok(())
    }

    /// Notes what is going to be brought: images, and names for images that are there. Gives the digests of the images
    /// that were not noted before.
    fn note(&self, items: &[Item], ledger: &mut ImageLedger) -> BTreeSet<String> {
        let store = self.info.image_store();
        let mut noted = BTreeSet::new();
        for item in items.iter().filter(|item| item.is_open()) {
            let (found, digest) = (&item.found, item.found.digest.as_str());
            if !found.complete {
                if !ledger.has(digest) {
                    noted.insert(digest.to_owned());
                }
                let names = item
                    .names
                    .iter()
                    .flat_map(|name| [name.tagged(), name.digested()]);
                ledger.bring(store, digest, names.flatten().map(|name| name.to_string()));
            } else if !found.is_all() {
                let names = found.missing_tags.iter().chain(&found.missing_digests);
                ledger.name(store, digest, names.map(Reference::to_string));
            }
        }
        ledger.keep();
        noted
    }

    fn bring(&self, mut inventory: EngineInventory, items: &mut [Item]) -> Result<()> {
        for strategy in LoadStrategy::ALL {
            if items.iter().all(|item| !lacks_image(item)) {
                break;
            }
            inventory = self.run(strategy, &inventory, items)?;
        }
        self.tag(items)
    }

    fn ask(&self, items: &[Item]) -> Result<EngineInventory> {
        let asked = EngineInventory::ask(
            self.engine,
            self.info.image_store(),
            self.platform,
            items.iter().map(Item::image),
            self.budget.readers * ASKERS,
        );
        from_engine(asked).context("asking the engine for its images")
    }

    /// Notes what the engine has of an image.
    fn look(&self, inventory: &EngineInventory, item: &mut Item) -> Result<()> {
        match inventory.find(self.engine, self.complete, &item.image, &item.names) {
            Ok(found) => item.found = found,
            Err(engine_inventory::Error::Image(error)) => {
                item.wrong = error.is_verification();
                item.fail(failure(from_image::<()>(Err(error))));
            }
            Err(engine_inventory::Error::Engine(error)) => {
                return from_engine(Err(error)).context("asking the engine for an image");
            }
        }
        Ok(())
    }

    /// Sends what is missing in the way of a strategy, and looks what came of it.
    fn run(
        &self,
        strategy: LoadStrategy,
        inventory: &EngineInventory,
        items: &mut [Item],
    ) -> Result<EngineInventory> {
        let jobs = load_strategy::jobs(
            strategy,
            self.engine,
            self.info,
            (inventory, self.complete),
            items,
        )?;
        if jobs.is_empty() {
            return self.ask(items);
        }
        let budget = match strategy {
            LoadStrategy::LeaveOut => self.budget,
            LoadStrategy::Whole | LoadStrategy::Original => self.budget.alone(),
        };
        let sent = match strategy {
            LoadStrategy::LeaveOut | LoadStrategy::Whole => {
                sending::send(self.engine, &jobs, budget)
            }
            LoadStrategy::Original => load_strategy::send_originals(self.engine, &jobs),
        };
        // Without this, every further image would wait for an engine that hangs.
        if sent.iter().any(|sent| sent.outcome.is_err()) {
            from_engine(self.engine.ping(Duration::from_secs(10)))
                .context("the engine went away")?;
        }
        let now = self.ask(items)?;
        for (job, sent) in jobs.iter().zip(sent) {
            if let Some(item) = items.get_mut(job.load.image) {
                self.judge(strategy, &now, item, job, sent)?;
            }
        }
        Ok(now)
    }

    fn judge(
        &self,
        strategy: LoadStrategy,
        now: &EngineInventory,
        item: &mut Item,
        job: &Job,
        sent: Sent,
    ) -> Result<()> {
        item.done.bytes += sent.bytes;
        item.elapsed += sent.elapsed;
        (item.done.layers_sent, item.done.layers_skipped) = (job.load.sent, job.load.skipped);
        let error = match sent.outcome {
            Ok(()) => {
                self.look(now, item)?;
                if item.found.is_loaded() || !item.is_open() {
                    item.done.action = Some(ImportAction::Loaded);
                    return Ok(());
                }
                incomplete(&item.found)
            }
            Err(error) => {
                let last = load_strategy::is_final(&error);
                item.wrong =
                    matches!(&error, sending::Error::Image(error) if error.is_verification());
                let error = failure(match error {
                    sending::Error::Image(error) => from_image(Err(error)),
                    sending::Error::Engine(error) => {
                        from_engine(Err(error)).context("sending it to the engine")
                    }
                    failed @ sending::Error::DependencyFailed => Err(anyhow::Error::new(failed)),
                });
                if last {
                    item.fail(error);
                    return Ok(());
                }
                error
            }
        };
        let (reference, why) = (item.image.name(), format!("{error:#}"));
        match strategy.next(&item.image) {
            Some(next) => {
                let (strategy, next) = (strategy.as_str(), next.as_str());
                tracing::warn!(%reference, strategy, next, why, "image was not taken this way");
            }
            None => item.fail(error),
        }
        Ok(())
    }

    /// Gives names to images that are complete, and looks whether they stand for them.
    fn tag(&self, items: &mut [Item]) -> Result<()> {
        let mut tagged = Vec::new();
        for (place, item) in items.iter_mut().enumerate() {
            if !item.is_open() || item.found.missing_tags.is_empty() {
                continue;
            }
            tagged.push(place);
            item.done.action.get_or_insert(ImportAction::Tagged);
            for name in item.found.missing_tags.clone() {
                let tag = name.tag().unwrap_or_default();
                let done = self.engine.tag(&item.found.digest, &name.repository(), tag);
                if let Err(error) = from_engine(done) {
                    item.fail(error.context(format!("tagging it {}", name.familiar())));
                    break;
                }
            }
        }
        if tagged.is_empty() {
            return Ok(());
        }
        let now = self.ask(items)?;
        for place in tagged {
            let Some(item) = items.get_mut(place).filter(|item| item.is_open()) else {
                continue;
            };
            self.look(&now, item)?;
            if item.is_open() && !item.found.is_all() {
                let error = incomplete(&item.found);
                item.fail(error);
            }
        }
        Ok(())
    }
}

fn failure(result: Result<()>) -> anyhow::Error {
    match result {
        Err(error) => error,
        Ok(()) => anyhow!("the engine says neither yes nor no"),
    }
}

fn incomplete(found: &Found) -> anyhow::Error {
    let names = found.missing_tags.iter().chain(&found.missing_digests);
    let names: Vec<String> = names.map(Reference::familiar).collect();
    let why = match (&found.why_not, found.complete) {
        (Some(why), _) => anyhow!("{} is not complete: {why}", found.digest),
        (None, false) => anyhow!("{} is unknown to it", found.digest),
        (None, true) => anyhow!("{} does not stand for {}", names.join(", "), found.digest),
    };
    failure(
        Err(why)
            .context("the engine took the image, but does not have it")
            .hint("see dockerd.log; is the disk full?")
            .exits(ExitCode::VerificationFailed),
    )
}
