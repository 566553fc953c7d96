//! What is to be sent of each image, and in which order: nothing here talks to an engine or reads a layer.

use std::collections::{BTreeSet, HashMap};

use docker_engine::ImageStore;
use image_archive::Digest;

use crate::chains::{Chains, chain_ids};

/// An image that is to be sent.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which of the caller's images this is.
    pub image: usize,
    /// The layers, lowest first.
    pub layers: Vec<WantedLayer>,
}

/// A layer of it.
#[derive(Clone, Copy, Debug)]
pub struct WantedLayer {
    /// Digest of the unpacked bytes.
    pub diff_id: Digest,
    /// Digest of the stored bytes, if something names it.
    pub stored: Option<Digest>,
    /// Stored bytes.
    pub size: u64,
}

/// An image on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Which of the caller's images this is.
    pub image: usize,
    /// Diff IDs of the layers that are not sent.
    pub leave_out: BTreeSet<Digest>,
    /// The load, by its place in the plan and before this one, that must be over before the engine may have the end of
    /// this one, because it brings layers that are left out here.
    pub after: Option<usize>,
    /// Layers that are sent.
    pub sent: usize,
    /// Layers that are not.
    pub skipped: usize,
}

/// Sends each image whole.
pub fn whole(wanted: &[Wanted]) -> Vec<Load> {
    let whole = |wanted: &Wanted| Load {
        image: wanted.image,
        leave_out: BTreeSet::new(),
        after: None,
        sent: wanted.layers.len(),
        skipped: 0,
    };
    wanted.iter().map(whole).collect()
}

/// Leaves out what the engine has, and what another image of the plan brings.
///
/// The smallest images go first: they bring what others share, and those wait for it. They wait only with their last
/// bytes, so the order costs nothing else.
pub fn leave_out(wanted: &[Wanted], held: &Chains, store: ImageStore) -> Vec<Load> {
    let mut order: Vec<&Wanted> = wanted.iter().collect();
    order.sort_by_key(|wanted| wanted.layers.iter().map(|layer| layer.size).sum::<u64>());
    let mut brought: HashMap<(Digest, Option<Digest>), usize> = HashMap::new();
    let mut loads = Vec::new();
    for wanted in order {
        let diff_ids: Vec<Digest> = wanted.layers.iter().map(|layer| layer.diff_id).collect();
        let chain_ids = chain_ids(&diff_ids);
        let of_engine = held.common(&chain_ids);
        let keys: Vec<_> = chain_ids
            .iter()
            .zip(&wanted.layers)
            .map(|(chain_id, layer)| (*chain_id, blob(layer, store)))
            .collect();
        let mut after = None;
        let mut skipped = of_engine;
        for key in &keys[of_engine..] {
            let Some(place) = brought.get(key) else {
                break;
            };
            (after, skipped) = (Some(*place), skipped + 1);
        }
        for key in &keys[skipped..] {
            brought.entry(*key).or_insert(loads.len());
        }
        let kept: BTreeSet<Digest> = diff_ids[skipped..].iter().copied().collect();
        loads.push(Load {
            image: wanted.image,
            // A layer that comes twice is sent if one of the two is.
            leave_out: diff_ids[..skipped]
                .iter()
                .filter(|diff_id| !kept.contains(diff_id))
                .copied()
                .collect(),
            after,
            sent: diff_ids.len() - skipped,
            skipped,
        });
    }
    loads
}

/// The containerd store takes a blob that is left out from its content, where it has to lie under the same digest; a
/// layer without a known one cannot be told to be the same there.
fn blob(layer: &WantedLayer, store: ImageStore) -> Option<Digest> {
    match store {
        ImageStore::GraphDriver => None,
        ImageStore::Containerd => layer.stored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(image: usize, layers: &[(&str, u64)]) -> Wanted {
        let layer = |&(name, size): &(&str, u64)| WantedLayer {
            diff_id: Digest::of(name.trim_end_matches('\'').as_bytes()),
            stored: Some(Digest::of(name.as_bytes())),
            size,
        };
        Wanted {
            image,
            layers: layers.iter().map(layer).collect(),
        }
    }

    fn digests(names: &[&str]) -> BTreeSet<Digest> {
        names
            .iter()
            .map(|name| Digest::of(name.as_bytes()))
            .collect()
    }

    fn shown(loads: &[Load]) -> Vec<(usize, usize, Option<usize>)> {
        loads
            .iter()
            .map(|load| (load.image, load.skipped, load.after))
            .collect()
    }

    #[test]
    fn the_smallest_image_brings_what_is_shared_and_the_others_wait_for_it() {
        let images = [
            wanted(0, &[("base", 200), ("a", 50)]),
            wanted(1, &[("base", 200), ("b", 10)]),
            wanted(2, &[("other", 900)]),
        ];
        for store in [ImageStore::GraphDriver, ImageStore::Containerd] {
            let loads = leave_out(&images, &Chains::default(), store);
            assert_eq!(shown(&loads), [(1, 0, None), (0, 1, Some(0)), (2, 0, None)]);
            assert_eq!(loads[1].leave_out, digests(&["base"]));
        }
    }

    #[test]
    fn what_the_engine_has_is_left_out_and_not_waited_for() {
        let mut held = Chains::default();
        held.add(&[Digest::of(b"base"), Digest::of(b"a")]);
        let images = [
            wanted(0, &[("base", 200), ("a", 50), ("new", 35)]),
            wanted(1, &[("base", 200), ("b", 10)]),
        ];
        let loads = leave_out(&images, &held, ImageStore::Containerd);
        assert_eq!(shown(&loads), [(1, 1, None), (0, 2, None)]);
        assert_eq!((loads[1].sent, loads[1].skipped), (1, 2));
    }

    #[test]
    fn the_containerd_store_shares_only_layers_stored_the_same_way() {
        // `base'` unpacks to the same as `base`.
        let images = [
            wanted(0, &[("base", 200), ("a", 50)]),
            wanted(1, &[("base'", 200), ("b", 10)]),
        ];
        let loads = leave_out(&images, &Chains::default(), ImageStore::Containerd);
        assert_eq!(shown(&loads), [(1, 0, None), (0, 0, None)]);
        let loads = leave_out(&images, &Chains::default(), ImageStore::GraphDriver);
        assert_eq!(shown(&loads), [(1, 0, None), (0, 1, Some(0))]);
    }

    #[test]
    fn a_layer_that_comes_twice_is_sent_if_it_is_needed_once() {
        let mut held = Chains::default();
        held.add(&[Digest::of(b"x")]);
        let images = [wanted(0, &[("x", 1), ("y", 1), ("x", 1)])];
        let loads = leave_out(&images, &held, ImageStore::GraphDriver);
        assert_eq!((loads[0].sent, loads[0].skipped), (2, 1));
        assert!(loads[0].leave_out.is_empty());
    }

    #[test]
    fn an_image_that_is_all_there_is_sent_without_layers() {
        let images = [
            wanted(0, &[("x", 1), ("y", 1)]),
            wanted(1, &[("x", 1), ("y", 1)]),
        ];
        let loads = leave_out(&images, &Chains::default(), ImageStore::GraphDriver);
        assert_eq!(shown(&loads), [(0, 0, None), (1, 2, Some(0))]);
    }
}
