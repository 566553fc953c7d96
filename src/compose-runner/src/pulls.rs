//! Images that the recipe pulls: noted in the ledger, so that they can be removed when they are old.

use std::collections::BTreeMap;

use bosh_job::Paths;
use docker_engine::{Engine, ImageStore};
use image_archive::Reference;
use state_files::ImageLedger;

use crate::{model::Model, other_images_in_recipe};

/// What the names of the recipe's images stood for before Compose could pull them.
pub struct Pulls<'a> {
    paths: &'a Paths,
    engine: &'a Engine,
    before: BTreeMap<String, Option<String>>,
}

impl<'a> Pulls<'a> {
    /// Looks at the images that Compose does not build, those of hooks and volumes among them.
    pub fn look(
        paths: &'a Paths,
        engine: &'a Engine,
        model: &Model,
    ) -> docker_engine::Result<Self> {
        let services = model
            .services
            .values()
            .filter(|service| !service.is_built());
        let mut before = BTreeMap::new();
        let own = services.filter_map(|service| service.image.as_deref());
        for image in own.chain(other_images_in_recipe::all(model)) {
            before.insert(image.to_owned(), id_of(engine, image)?);
        }
        Ok(Self {
            paths,
            engine,
            before,
        })
    }

    /// Whether the engine did not have an image.
    pub fn lacks(&self, image: &str) -> bool {
        matches!(self.before.get(image), None | Some(None))
    }

    /// Notes the images that have come under these names since. Trouble with that is logged: what it costs is disk space.
    pub fn note(&self) {
        if let Err(error) = self.try_to_note() {
            tracing::warn!("images that were pulled will stay when they are old: {error}");
        }
    }

    fn try_to_note(&self) -> docker_engine::Result<()> {
        let mut store: Option<ImageStore> = None;
        let mut ledger = ImageLedger::read(self.paths);
        for (image, before) in &self.before {
            let Some(id) = id_of(self.engine, image)?.filter(|id| before.as_ref() != Some(id))
            else {
                continue;
            };
            let store = match store {
                Some(store) => store,
                None => *store.insert(self.engine.info()?.image_store()),
            };
            let name = image.parse::<Reference>().ok();
            let names = name
                .iter()
                .flat_map(|name| [name.tagged(), name.digested()]);
            ledger.bring(store, &id, names.flatten().map(|name| name.to_string()));
        }
        ledger.keep();
        Ok(())
    }
}

fn id_of(engine: &Engine, image: &str) -> docker_engine::Result<Option<String>> {
    Ok(engine.inspect_image(image)?.map(|image| image.id))
}
