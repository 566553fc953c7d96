//! Images as other tools read them: docker-archive tarballs and OCI image layouts.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use image_archive::{DockerArchive, Plan, Reference, VerifiedImage, ZstdLayers};

use super::error::{Error, Result};
use super::images_lock::LockedImage;
use super::scratch::Scratch;
use super::stored::{self, Stored};
use super::{Release, files};
use crate::image::Frozen;

/// What an image is exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// A tarball for `docker load`
    DockerArchive,
    /// A directory with an OCI image layout
    Oci,
}

impl Release {
    /// Writes a stored image as a tarball that any engine loads, after checking all of it.
    ///
    /// # Errors
    /// When it is not in the release, is damaged, or cannot be written.
    pub fn export_archive(&self, reference: &Reference, out: impl Write) -> Result<()> {
        let stored = Stored::open(self, self.frozen(reference)?)?;
        write_archive(&stored.image, out)
    }

    /// Writes a stored image as an OCI image layout into a directory that is empty or does not exist.
    ///
    /// # Errors
    /// When it is not in the release, is damaged, or the directory cannot be written; nothing is left there then.
    pub fn export_layout(&self, reference: &Reference, directory: &Path) -> Result<()> {
        refuse_content(directory)?;
        let stored = Stored::open(self, self.frozen(reference)?)?;
        let draft = draft_of(directory);
        let written = write_layout(&stored.image, &draft)
            .and_then(|()| fs::rename(&draft, directory).map_err(Error::write(directory)));
        if written.is_err() {
            let _ = fs::remove_dir_all(&draft);
        }
        written
    }

    /// Writes a tarball to a file that does not exist.
    ///
    /// # Errors
    /// As [`Release::export_archive`]; nothing is left there then.
    pub fn export_archive_file(&self, reference: &Reference, path: &Path) -> Result<()> {
        refuse_content(path)?;
        let draft = draft_of(path);
        let written = File::create(&draft)
            .map_err(Error::write(&draft))
            .and_then(|file| {
                let mut out = BufWriter::with_capacity(1 << 20, file);
                self.export_archive(reference, &mut out)?;
                out.flush().map_err(Error::write(&draft))
            })
            .and_then(|()| files::sync(&draft))
            .and_then(|()| fs::rename(&draft, path).map_err(Error::write(path)));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }

    fn frozen(&self, reference: &Reference) -> Result<&LockedImage> {
        self.lock.find(reference).ok_or_else(|| Error::NotFrozen {
            reference: reference.familiar(),
            root: self.root.clone(),
        })
    }
}

/// The tarball of an image that is on its way into the release, in a place from which it can be moved there.
pub(crate) fn build_archive(
    release: &Release,
    image: &LockedImage,
    frozen: &Frozen,
) -> Result<PathBuf> {
    let scratch = Scratch::new(&release.root)?;
    let verified = stored::assemble(release, image, frozen)?.verify()?;
    let path = scratch.path().with_extension("tar");
    let mut out =
        BufWriter::with_capacity(1 << 20, File::create(&path).map_err(Error::write(&path))?);
    write_archive(&verified, &mut out)?;
    out.flush().map_err(Error::write(&path))?;
    Ok(path)
}

/// Layers in zstd are unpacked: Docker before 23 cannot read them, and who asks for a tarball asks for any Docker.
fn write_archive(image: &VerifiedImage, out: impl Write) -> Result<()> {
    let plan = Plan {
        zstd: ZstdLayers::Unpack,
        ..Plan::default()
    };
    Ok(DockerArchive::new(image.clone(), plan).write(out)?)
}

/// The tarball that is sent to engines is an OCI layout too, so the layout is what comes out of it.
fn write_layout(image: &VerifiedImage, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(Error::write(directory))?;
    let stream = DockerArchive::new(image.clone(), Plan::default()).into_stream()?;
    let mut tarball = tar::Archive::new(stream);
    tarball.set_preserve_mtime(false);
    tarball.unpack(directory).map_err(Error::write(directory))?;
    files::remove(&directory.join("manifest.json"))
}

fn refuse_content(path: &Path) -> Result<()> {
    let taken = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let mut entries = fs::read_dir(path).map_err(Error::read(path))?;
            entries.next().is_some()
        }
        Ok(_) => true,
        Err(_) => false,
    };
    if taken {
        return Err(Error::NotEmpty {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Beside the place itself, so that it can be moved there in one step.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}
