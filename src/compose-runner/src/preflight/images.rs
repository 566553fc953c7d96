//! Images: whether each is there, can be had, or can be built; and what Compose is told to leave alone.
//!
//! Compose pulls one after the other and gives up at the first that fails. Here all that are missing are named at once, and
//! none is pulled that could not come in time. What the recipe always wants pulled is used as it is where no registry
//! answers: a VM without a way out gets its images with the release.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use bosh_job::ExitCode;

use super::{Preflight, builds, message};
use crate::{
    child::End,
    failure::{Failure, Findings, Outcome},
    model::Model,
    other_images::{self, Place},
    pulls::Pulls,
};
use state_files::ImageMap;

mod errors;
mod pull_policy;

use errors::{gone_image, missing_image, not_built, not_pulled};
pub use pull_policy::PullPolicies;
use pull_policy::{asks_each_time, is_fixed, is_never};

/// A registry that cannot be reached must not eat up the time of the whole start.
const LONGEST_PULL: Duration = Duration::from_mins(10);
/// Pulls at once.
const AT_ONCE: usize = 4;
/// What is left of the start's time for saying what could not be pulled.
const FOR_THE_VERDICT: Duration = Duration::from_secs(2);

/// A pull.
#[derive(Clone, Copy)]
struct Job<'a> {
    image: &'a str,
    /// A service that wants it.
    service: &'a str,
    /// Whether it is that service's own: others are pulled by their names.
    is_own: bool,
}

/// What became of a pull.
enum Pulled {
    Done,
    /// Why not.
    Failed(String),
    /// There was no time for it, or not enough.
    TooLate(String),
}

/// What a recipe wants of images: by the image, the services that want it.
#[derive(Default)]
struct Wanted<'a> {
    policies: PullPolicies,
    missing: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// They are here, and the recipe asks for newer ones.
    newer: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// The missing ones that are no service's own: where each stands.
    places: BTreeMap<(&'a str, &'a str), &'a Place>,
    findings: Findings,
}

impl Preflight<'_> {
    /// Sorts out which images are missing.
    fn sort<'a>(&self, model: &'a Model, pulls: &Pulls<'_>) -> Outcome<Wanted<'a>> {
        let brought = ImageMap::left_by_importer(self.paths);
        let Wanted {
            mut policies,
            mut missing,
            mut newer,
            mut places,
            mut findings,
        } = Wanted::default();
        for (name, service) in &model.services {
            for (place, image) in &service.other_images.places {
                let is_hook = matches!(place, Place::Hook(_));
                if service.provider.is_some() || (is_hook && service.replicas == 0) {
                    continue;
                }
                let kept = self.kept_images;
                let kept = kept.and_then(|images| images.get(&other_images::kept_name(image)));
                if let Some(id) = kept {
                    if !self.is_there(Some(id))? {
                        findings.add(ExitCode::Failed, [gone_image(name, id)]);
                    }
                } else if pulls.lacks(image) && !self.is_there(brought.resolve(image))? {
                    missing.entry(image).or_default().insert(name);
                    places.insert((image, name), place);
                } else if is_hook && asks_each_time(service) && !is_fixed(image) {
                    newer.entry(image).or_default().insert(name);
                    places.insert((image, name), place);
                }
            }
            if service.provider.is_some() {
                continue;
            }
            if service.replicas == 0 {
                // Compose would pull it all the same
                policies.policies.insert(name.clone(), "never");
                continue;
            }
            if let Some(id) = self.kept_images.and_then(|images| images.get(name)) {
                if !self.is_there(Some(id))? {
                    findings.add(ExitCode::Failed, [gone_image(name, id)]);
                }
                // it is to run on that, and on nothing newer
                if asks_each_time(service) {
                    policies.policies.insert(name.clone(), "missing");
                }
                continue;
            }
            let by_map = |image: &str| self.is_there(brought.resolve(image));
            let is_here = match &service.image {
                // those that are built have not been looked at
                Some(image) if service.is_built() => self.engine.inspect_image(image)?.is_some(),
                Some(image) => !pulls.lacks(image) || by_map(image)?,
                None => {
                    let built = format!("{}-{name}", self.recipe.project);
                    self.engine.inspect_image(&built)?.is_some()
                }
            };
            if let Some(build) = &service.build {
                if is_here && service.pull_policy.as_deref() == Some("build") {
                    if let Some(why) = builds::lacks(build) {
                        policies.policies.insert(name.clone(), "missing");
                        policies.warnings.push(not_built(name, service, &why));
                    }
                } else if let Some(image) = &service.image
                    && !is_here
                    && builds::is_pulled_first(service)
                    && self.recipe.prep.is_none()
                    && builds::lacks(build).is_some()
                {
                    missing.entry(image).or_default().insert(name);
                }
                continue;
            }
            let Some(image) = &service.image else {
                continue;
            };
            if !is_here {
                missing.entry(image).or_default().insert(name);
            } else if asks_each_time(service) {
                policies.policies.insert(name.clone(), "missing");
                if !is_fixed(image) {
                    newer.entry(image).or_default().insert(name);
                }
            }
        }
        Ok(Wanted {
            policies,
            missing,
            newer,
            places,
            findings,
        })
    }

    /// Sees to the images, and says what of them is missing.
    pub(super) fn images(&self, model: &Model, pulls: &Pulls<'_>) -> Outcome<PullPolicies> {
        let Wanted {
            mut policies,
            missing,
            newer,
            places,
            mut findings,
        } = self.sort(model, pulls)?;
        // a volume's image is pulled whatever the service's policy says
        let is_never = |image: &str, name: &str| {
            !matches!(places.get(&(image, name)), Some(Place::Volume(_)))
                && is_never(&model.services[name])
        };
        let never: Vec<&str> = missing
            .iter()
            .filter(|(image, services)| services.iter().all(|name| is_never(image, name)))
            .map(|(image, _)| *image)
            .collect();
        let to_pull = missing.iter().chain(&newer);
        let jobs: Vec<Job<'_>> = to_pull
            .filter(|(image, _)| !never.contains(image))
            .filter_map(|(image, services)| {
                let services = services.iter().copied();
                let services: Vec<&str> = services.filter(|name| !is_never(image, name)).collect();
                let own = services
                    .iter()
                    .find(|name| !places.contains_key(&(*image, *name)));
                Some(Job {
                    image,
                    service: own.or(services.first())?,
                    is_own: own.is_some(),
                })
            })
            .collect();
        let is_needed = |image: &str| missing.contains_key(image);
        let pulled = self.pull_all(&jobs, is_needed)?;
        if !jobs.is_empty() {
            pulls.note();
        }
        for (image, services) in &missing {
            let why = match pulled.get(image) {
                None => Some(("its `pull_policy` is never".to_owned(), false)),
                Some(Pulled::Done) => None,
                Some(Pulled::Failed(why)) => Some((why.clone(), false)),
                Some(Pulled::TooLate(why)) => Some((why.clone(), true)),
            };
            if let Some((why, is_late)) = why {
                let services = services.iter();
                let found = services.map(|service| {
                    let place = places.get(&(*image, *service)).copied();
                    let mut found = missing_image(service, place, image, &why, is_late);
                    let build = model.services[*service].build.as_ref();
                    found.causes.extend(build.and_then(builds::lacks));
                    found
                });
                findings.add(ExitCode::Failed, found);
            }
        }
        for (image, services) in &newer {
            if let Some(Pulled::Failed(why) | Pulled::TooLate(why)) = pulled.get(image) {
                let warnings = services.iter().map(|service| {
                    let policy = model.services[*service].pull_policy.as_deref();
                    let place = places.get(&(*image, *service)).copied();
                    not_pulled(service, place, image, policy.unwrap_or_default(), why)
                });
                policies.warnings.extend(warnings);
            }
        }
        findings.outcome().map(|()| policies)
    }

    /// Whether the engine has what image-importer says that a name stands for.
    fn is_there(&self, digest: Option<&str>) -> Outcome<bool> {
        match digest {
            Some(digest) => Ok(self.engine.inspect_image(digest)?.is_some()),
            None => Ok(false),
        }
    }

    /// Pulls images, each for a service that wants it, as long as there is time.
    fn pull_all<'b>(
        &self,
        jobs: &[Job<'b>],
        is_needed: impl Fn(&str) -> bool + Sync,
    ) -> Outcome<BTreeMap<&'b str, Pulled>> {
        let queue = Mutex::new(jobs.iter().copied().collect::<VecDeque<_>>());
        let done = Mutex::new(BTreeMap::new());
        let lock = || {
            queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front()
        };
        let work = || -> Outcome<()> {
            while let Some(job) = lock() {
                let image = job.image;
                let outcome = self.pull(job, is_needed(image))?;
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                done.insert(image, outcome);
            }
            Ok(())
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE.min(jobs.len()))
                .map(|_| scope.spawn(work))
                .collect();
            workers.into_iter().try_for_each(|worker| {
                let panicked = |_| Failure::from(anyhow::anyhow!("a pull ended without a word"));
                worker.join().map_err(panicked)?
            })
        })?;
        Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn pull(&self, job: Job<'_>, is_needed: bool) -> Outcome<Pulled> {
        let Job {
            image,
            service,
            is_own,
        } = job;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let left = left.saturating_sub(FOR_THE_VERDICT);
        // what is here already must leave time to bring it up
        let left = if is_needed { left } else { left / 2 };
        if left.is_zero() {
            let why = "it was not tried: the time of the start (`start_timeout`) was over";
            return Ok(Pulled::TooLate(why.to_owned()));
        }
        if is_needed {
            tracing::info!(service, image, "image is not on this machine, pulling it");
        } else {
            tracing::info!(service, image, "asking the registry for a newer image");
        }
        let limit = left.min(LONGEST_PULL);
        let project = self.recipe.project.as_str();
        let end = if is_own {
            self.compose
                .on_recipe_alone(project, &["pull", service], limit)
        } else {
            self.compose
                .pull(project, image, limit)
                .unwrap_or_else(End::NotStarted)
        };
        match end {
            End::Cancelled => Err(Failure::Cancelled),
            End::NotStarted(error) => Ok(Pulled::Failed(error.to_string())),
            End::TimedOut { .. } => Ok(Pulled::TooLate(format!(
                "its registry did not hand it over within {} s",
                limit.as_secs()
            ))),
            End::Exited { status, .. } if status.success() => Ok(Pulled::Done),
            End::Exited { tail, .. } => Ok(Pulled::Failed(
                tail.last()
                    .map_or("Compose does not say why", |line| message(line))
                    .to_owned(),
            )),
        }
    }
}
