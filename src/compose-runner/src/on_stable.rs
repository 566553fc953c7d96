//! What follows once all services of the configured recipe are stable: it is kept for a rollback, and the images of
//! releases gone by are removed.

use std::{collections::BTreeMap, thread};

use bosh_job::Paths;
use docker_engine::{Engine, Filters};
use jiff::Timestamp;
use job_properties::RecipeConfig;
use recipe::labels;
use state_files::KeptRecipe;
use state_files::{ImageLedger, StateFile as _};

use crate::{
    compose::PROJECT_LABEL,
    job::{Job, Settings},
    model::Model,
    other_images, other_images_in_recipe,
};
use state_files::ImageMap;

/// What it takes.
pub struct OnStable {
    paths: Paths,
    engine: Engine,
    project: String,
    keeps_recipe: bool,
    removes_images: bool,
    /// The recipe as it was configured.
    recipe: RecipeConfig,
    /// The image of each service, and of its hooks and volumes, as the recipe names it.
    images: BTreeMap<String, String>,
}

impl OnStable {
    /// For a recipe that is about to be watched.
    pub fn new(job: &Job, settings: &Settings, engine: &Engine, model: &Model) -> Self {
        let services = model.services.iter();
        let own =
            services.filter_map(|(name, service)| Some((name.clone(), service.image.clone()?)));
        let others = other_images_in_recipe::all(model).into_iter();
        let others = others.map(|image| (other_images::kept_name(image), image.to_owned()));
        Self {
            paths: job.paths.clone(),
            engine: engine.clone(),
            project: settings.recipe.project.as_str().to_owned(),
            keeps_recipe: settings.supervision.rollback_on_failure,
            removes_images: settings.remove_old_images,
            recipe: job.config.recipe.clone(),
            images: own.chain(others).collect(),
        }
    }

    /// Does it. The recipe is up: nothing that fails here is more than a warning.
    pub fn run(self) {
        let images = match self.ids() {
            Ok(images) => images,
            Err(error) => {
                tracing::warn!(
                    "neither is the recipe kept for a rollback, nor are old images removed: {error}"
                );
                return;
            }
        };
        let mut ledger = ImageLedger::read(&self.paths);
        ledger.note_deploy(images.values().cloned().collect());
        ledger.keep();
        if self.keeps_recipe
            && let Err(error) = self.keep(images)
        {
            tracing::warn!("the recipe cannot be kept for a rollback: {error}");
        }
        if !self.removes_images {
            return;
        }
        // The engine may take its time over it; the watch goes on meanwhile.
        let remove = move || {
            if let Err(error) = image_removal::remove_old(&mut ledger, &self.engine) {
                tracing::warn!("old images stay: {error}");
            }
        };
        if let Err(error) = thread::Builder::new().name("images".into()).spawn(remove) {
            tracing::warn!("old images stay: {error}");
        }
    }

    fn keep(&self, images: BTreeMap<String, String>) -> std::io::Result<()> {
        let before = KeptRecipe::read(&self.paths).ok().flatten();
        let is_same = |kept: &KeptRecipe| kept.recipe == self.recipe && kept.images == images;
        let since = match before.filter(is_same) {
            Some(kept) if kept.failed.is_none() => return Ok(()),
            Some(kept) => kept.since,
            None => Timestamp::now().to_string(),
        };
        tracing::info!("keeping this recipe for a rollback");
        KeptRecipe {
            since,
            recipe: self.recipe.clone(),
            images,
            failed: None,
        }
        .write(&self.paths)
    }

    /// The engine's ID of each service's image: of the one its container was made of, or else of what its name stands for.
    fn ids(&self) -> docker_engine::Result<BTreeMap<String, String>> {
        let filters = Filters::all().label(format!("{PROJECT_LABEL}={}", self.project));
        let mut ids: BTreeMap<String, String> = self
            .engine
            .containers(&filters)?
            .into_iter()
            .filter_map(|container| {
                let service = labels::service(&container.labels)?.to_owned();
                Some((service, container.image_id))
            })
            .filter(|(service, _)| self.images.contains_key(service))
            .collect();
        let map = ImageMap::left_by_importer(&self.paths);
        for (service, image) in &self.images {
            if ids.contains_key(service) {
                continue;
            }
            let found = match self.engine.inspect_image(image)? {
                Some(found) => Some(found.id),
                None => map.resolve(image).map(str::to_owned),
            };
            ids.extend(found.map(|id| (service.clone(), id)));
        }
        Ok(ids)
    }
}
