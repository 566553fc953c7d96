//! The check of all frozen images: every blob has its digest.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use image_archive::Place;

use super::{Frozen, open_place};
use crate::digest::{Digest, Hasher};

/// What a check came to.
#[derive(Debug, Default)]
pub struct Verified {
    /// Blobs that were read, manifests among them.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong.
    pub faults: Vec<String>,
}

impl Frozen {
    /// Reads every blob once, and says what is not served for other reasons.
    pub fn verify(&self) -> Verified {
        let (places, problems) = {
            let state = self.state();
            let mut places: BTreeMap<(Digest, String, u64), Place> = BTreeMap::new();
            for (_, images) in state.index.repositories() {
                let manifests = images.manifests().map(|one| (&one.digest, &one.place));
                for (digest, place) in manifests.chain(images.blobs()) {
                    let path = place.path.display().to_string();
                    places.insert((digest.clone(), path, place.offset), place.clone());
                }
            }
            (places, state.problems.clone())
        };
        let mut verified = Verified {
            faults: problems,
            ..Verified::default()
        };
        for ((digest, path, _), place) in places {
            match digest_of(&place, &digest) {
                Ok(found) if found == digest => {}
                Ok(found) => verified.faults.push(format!(
                    "{path}: blob {digest}: damaged, its bytes have the digest {found}"
                )),
                Err(error) => verified.faults.push(error.to_string()),
            }
            verified.blobs += 1;
            verified.bytes += place.size;
        }
        verified
    }
}

fn digest_of(place: &Place, wanted: &Digest) -> io::Result<Digest> {
    let mut file = open_place(place)?;
    file.seek(SeekFrom::Start(place.offset))?;
    let mut left = file.take(place.size);
    let mut hasher = Hasher::new(wanted.algorithm());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match left.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
