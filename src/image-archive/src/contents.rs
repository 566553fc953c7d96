//! What a verified image is made of, for those who keep it in a form of their own.

use std::io::Read;

use crate::digest::HashingReader;
use crate::error::Error;
use crate::files::{check_blob, damaged};
use crate::manifest::Descriptor;
use crate::verify::{VerifiedImage, VerifiedLayer};

impl VerifiedImage {
    /// Index and manifest with their exact bytes, the one that the names stand for first, the manifest last.
    ///
    /// An old tarball has none; then there is one manifest, which is the same for the same image.
    pub fn documents(&self) -> impl Iterator<Item = (&Descriptor, &[u8])> {
        self.documents
            .iter()
            .map(|document| (&document.descriptor, document.bytes.as_slice()))
    }

    /// The exact bytes of the config.
    #[must_use]
    pub fn config(&self) -> &[u8] {
        &self.config
    }

    /// Hands the stored bytes of the `wanted` layers to `take`, each once, in the order in which the source is cheapest to
    /// read. What changed since it was verified is an error, which may come after `take` has read it.
    ///
    /// # Errors
    /// Those of reading, and what `take` returned.
    pub fn read_layers<E: From<Error>>(
        &self,
        wanted: impl Fn(&VerifiedLayer) -> bool,
        take: &mut dyn FnMut(&VerifiedLayer, &mut dyn Read) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let mut names: Vec<String> = Vec::new();
        for layer in self.layers.iter().filter(|layer| wanted(layer)) {
            if !names.contains(&layer.name) {
                names.push(layer.name.clone());
            }
        }
        let mut taken = Ok(());
        let read = self.image.files().visit(&names, &mut |name, data| {
            let Some(layer) = self.layers.iter().find(|layer| layer.name == name) else {
                return Err(self.image.files().missing(name));
            };
            if taken.is_err() {
                return Ok(());
            }
            let mut reader = HashingReader::new(data);
            taken = take(layer, &mut reader);
            if taken.is_err() {
                return Ok(());
            }
            std::io::copy(&mut reader, &mut std::io::sink())
                .map_err(|error| damaged(self.image.path(), name, 0, error))?;
            check_blob(
                self.image.path(),
                name,
                (layer.digest, layer.size),
                reader.finish(),
            )
        });
        taken.and_then(|()| read.map_err(|error: Error| error.of_image(self.image.name()).into()))
    }
}

#[cfg(test)]
mod tests {
    use image_fixture::{Files, Packing, TestImage};

    use super::*;
    use crate::{Layouts, Limits, Platform, Source};

    fn verified(path: &std::path::Path) -> VerifiedImage {
        let source = Source::open(
            path,
            &Layouts::default(),
            &Platform::host(),
            Limits::DEFAULT,
        )
        .unwrap();
        source.images()[0].as_ref().unwrap().verify().unwrap()
    }

    #[test]
    fn hands_over_documents_and_each_wanted_layer_once() {
        let image = TestImage::small(1)
            .with_layer(&[("a", b"b")])
            .with_layer(&[("a", b"b")]);
        let files = Files::layout(&image, &["redis:7"], Packing::Gzip, true);
        let directory = tempfile::tempdir().unwrap();
        files.write(directory.path());
        let verified = verified(directory.path());
        let documents: Vec<_> = verified.documents().collect();
        assert_eq!(documents[0].0.digest.to_string(), files.target());
        assert_eq!(documents.len(), 2);
        assert_eq!(verified.config(), image.config());
        let mut seen = Vec::new();
        verified
            .read_layers::<Error>(|_| true, &mut |layer, data| {
                let mut bytes = Vec::new();
                data.read_to_end(&mut bytes).unwrap();
                assert_eq!(crate::Digest::of(&bytes), layer.digest);
                seen.push(bytes);
                Ok(())
            })
            .unwrap();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0], Packing::Gzip.pack(&image.layers[0]));
    }

    #[test]
    fn notices_a_layer_that_changed_after_it_was_verified() {
        let image = TestImage::small(1);
        let files = Files::layout(&image, &["redis:7"], Packing::Plain, false);
        let directory = tempfile::tempdir().unwrap();
        files.write(directory.path());
        let verified = verified(directory.path());
        let blob = directory
            .path()
            .join(verified.layers()[0].digest.blob_path());
        let mut bytes = std::fs::read(&blob).unwrap();
        bytes[700] ^= 1;
        std::fs::write(&blob, bytes).unwrap();
        let error = verified
            .read_layers::<Error>(|_| true, &mut |_, _| Ok(()))
            .unwrap_err();
        assert!(error.is_verification(), "{error}");
    }
}
