//! What is told of an image that is not there.

use bosh_job::ErrorReport;

use crate::{failure::error, model::Service, other_images::Place};

fn of_service(service: &str, what: String, why: &str, hint: String) -> ErrorReport {
    let mut found = error(what);
    found.causes = vec![why.to_owned()];
    found.service = Some(service.to_owned());
    found.property = Some("recipe".to_owned());
    found.hint = Some(hint);
    found
}

pub(super) fn gone_image(service: &str, id: &str) -> ErrorReport {
    let mut found = error(format!(
        "service {service}: the image that it ran on, {id}, is not on this machine any more"
    ));
    found.service = Some(service.to_owned());
    found
}

/// `image busybox:1`, and of which part of the service it is, if it is not its own.
fn named(image: &str, place: Option<&Place>) -> String {
    place.map_or_else(
        || format!("image {image}"),
        |place| format!("image {image} of its {place}"),
    )
}

pub(super) fn missing_image(
    service: &str,
    place: Option<&Place>,
    image: &str,
    why: &str,
    is_late: bool,
) -> ErrorReport {
    let image = named(image, place);
    let what = format!("service {service}: {image} is not on this machine and cannot be pulled");
    let hint = "freeze it into an image release (`image-packager freeze`) and colocate that release's job, or give the VM a way to its registry";
    let late = if is_late {
        "; a registry that is only slow needs a longer `start_timeout`"
    } else {
        ""
    };
    of_service(service, what, why, format!("{hint}{late}"))
}

pub(super) fn not_pulled(
    service: &str,
    place: Option<&Place>,
    image: &str,
    policy: &str,
    why: &str,
) -> ErrorReport {
    let image = named(image, place);
    let what = format!(
        "service {service}: {image} is used as it is on this machine: its `pull_policy` is {policy}, and it cannot be pulled"
    );
    let hint = "take the `pull_policy` out of the recipe, or give the VM a way to the registry";
    of_service(service, what, why, hint.to_owned())
}

pub(super) fn not_built(service: &str, wanted: &Service, why: &str) -> ErrorReport {
    let image = wanted.image.as_deref().unwrap_or("that was built for it");
    let what = format!(
        "service {service}: image {image} is used as it is on this machine: its `pull_policy` is build, and it cannot be built"
    );
    let hint = "take `build` and the `pull_policy` out of the recipe";
    of_service(service, what, why, hint.to_owned())
}
