//! Images of one name and tag, of which one or more are pinned by a digest: `app:1`, `app:1@sha256:…`.
//!
//! A pin that moves makes another reference of what is one image to everybody else. So what is frozen takes the place of
//! what the release has of the same name and tag, with its package and job, unless both are asked for at once.

use image_archive::Reference;

use super::images_lock::LockedImage;
use super::names;
use crate::image::Frozen;

/// Takes out of `known` what has the name and tag of an image that is asked for now, and was not asked for itself.
pub(super) fn replaced(known: &mut Vec<LockedImage>, asked: &[Frozen]) -> Vec<LockedImage> {
    let is_asked = |image: &LockedImage| asked.iter().any(|new| new.reference == image.reference);
    let has_successor = |image: &LockedImage| {
        let mut asked = asked.iter();
        asked.any(|new| is_same(&new.reference, &image.reference))
    };
    let (replaced, kept) = std::mem::take(known)
        .into_iter()
        .partition(|image| !is_asked(image) && has_successor(image));
    *known = kept;
    replaced
}

/// The image whose place this one takes, if no other took it.
pub(super) fn predecessor<'a>(
    replaced: &'a [LockedImage],
    image: &Frozen,
    new: &[LockedImage],
) -> Option<&'a LockedImage> {
    replaced.iter().find(|before| {
        is_same(&before.reference, &image.reference)
            && new.iter().all(|other| other.package != before.package)
    })
}

/// Where several images of one name and tag are asked for at once, a new one gets a name with its digest.
pub(super) fn tell_apart(image: &mut LockedImage, others: &[LockedImage]) {
    let is_taken = others
        .iter()
        .any(|other| other.package == image.package && is_same(&other.reference, &image.reference));
    if is_taken {
        image.package = names::with_digest(&image.reference, image.digest);
    }
}

/// Whether two references differ in no more than their digests.
fn is_same(left: &Reference, right: &Reference) -> bool {
    left != right && left.tagged().is_some() && left.tagged() == right.tagged()
}
