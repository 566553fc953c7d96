//! Which layers are there, each on top of those below it.
//!
//! A layer alone says nothing: engines keep it by its chain ID, the digest over all diff IDs from the lowest up (OCI
//! image specification, `config.md`, "Layer `ChainID`").

use std::collections::HashSet;

use image_archive::Digest;

/// Chain IDs.
#[derive(Clone, Debug, Default)]
pub struct Chains(HashSet<Digest>);

impl Chains {
    /// Adds all layers of an image.
    pub fn add(&mut self, diff_ids: &[Digest]) {
        self.0.extend(chain_ids(diff_ids));
    }

    /// How many of an image's layers are there, from the lowest up.
    pub fn common(&self, chain_ids: &[Digest]) -> usize {
        chain_ids
            .iter()
            .take_while(|chain_id| self.0.contains(chain_id))
            .count()
    }
}

/// The chain ID of each layer.
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut below: Option<Digest> = None;
    diff_ids
        .iter()
        .map(|diff_id| {
            let chain_id = match below {
                None => *diff_id,
                Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
            };
            below = Some(chain_id);
            chain_id
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_counts_only_on_top_of_the_same_layers() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| Digest::of(bytes));
        let mut chains = Chains::default();
        chains.add(&[a, b]);
        assert_eq!(chains.common(&chain_ids(&[a, b, c])), 2);
        assert_eq!(chains.common(&chain_ids(&[a, c, b])), 1);
        assert_eq!(chains.common(&chain_ids(&[b, a])), 0);
        assert_eq!(chains.common(&[]), 0);
    }

    #[test]
    fn the_chain_id_of_two_layers_is_that_of_the_specification() {
        let [a, b] = [b"a", b"b"].map(|bytes| Digest::of(bytes));
        let expected = Digest::of(format!("{a} {b}").as_bytes());
        assert_eq!(chain_ids(&[a, b]), [a, expected]);
    }
}
