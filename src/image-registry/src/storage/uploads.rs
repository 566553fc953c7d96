//! Uploads: blobs that come in pieces. One lives over a restart of the registry: what came is in a file, and whose it is in
//! another.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::files::entries;
use super::{Storage, durable};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::names::Repository;

/// Whose an upload is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadState {
    /// The repository that it goes into.
    pub repository: String,
    /// Who began it; nobody without a login.
    pub user: Option<String>,
}

/// An upload that pieces are added to.
pub struct Upload {
    id: String,
    state: UploadState,
    file: File,
    size: u64,
    /// Of what came; nothing after a restart, when the file is read again at the end.
    hasher: Option<Hasher>,
}

impl Upload {
    /// By which it is asked for.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whose it is.
    pub fn state(&self) -> &UploadState {
        &self.state
    }

    /// Bytes that came.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // what was half written is written over
            self.file.set_len(self.size)?;
            self.file.seek(io::SeekFrom::End(0))?;
            return Err(error);
        }
        self.size += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }

    /// Goes on with a digest that was computed of all that came.
    pub fn resume(&mut self, hasher: Hasher) {
        self.hasher = Some(hasher);
    }

    /// The digest of what came as far as it is computed, with the bytes that it is of.
    pub fn into_hasher(self) -> Option<(u64, Hasher)> {
        Some((self.size, self.hasher?))
    }

    /// The digest of what came.
    fn digest(&mut self, algorithm: Algorithm) -> io::Result<Digest> {
        match (&self.hasher, algorithm) {
            (Some(hasher), Algorithm::Sha256) => Ok(hasher.clone().finish()),
            _ => digest_of(&mut self.file, algorithm),
        }
    }
}

/// The digest of a whole file.
pub fn digest_of(file: &mut File, algorithm: Algorithm) -> io::Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    let mut buffer = vec![0; 1 << 20];
    file.rewind()?;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

impl Storage {
    fn upload_dir(&self, id: &str) -> PathBuf {
        self.root.join("uploads").join(id)
    }

    /// Begins an upload; nothing if its login has too many open.
    pub fn begin_upload(
        &self,
        repository: &Repository,
        user: Option<&str>,
    ) -> io::Result<Option<Upload>> {
        let id = durable::random_name()?;
        if !self.open_uploads.open(&id, user, || self.upload_owners())? {
            return Ok(None);
        }
        let state = UploadState {
            repository: repository.to_string(),
            user: user.map(str::to_owned),
        };
        match self.make_upload(&id, &state) {
            Ok(file) => Ok(Some(Upload {
                id,
                state,
                file,
                size: 0,
                hasher: Some(Hasher::new(Algorithm::Sha256)),
            })),
            Err(error) => {
                // a full disk is given back what was half made
                self.cancel_upload(&id)?;
                Err(error)
            }
        }
    }

    fn make_upload(&self, id: &str, state: &UploadState) -> io::Result<File> {
        let directory = self.upload_dir(id);
        durable::make_dir(&directory)?;
        let data = directory.join("data");
        let file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&data)
            .map_err(|error| durable::named(&error, "making", &data))?;
        let text = serde_json::to_vec(state)?;
        durable::write(&directory.join("state.json"), &text, &self.temporary())?;
        Ok(file)
    }

    /// The uploads that there are, and their logins. One whose state is not there was never acknowledged.
    fn upload_owners(&self) -> io::Result<HashMap<String, Option<String>>> {
        let mut owners = HashMap::new();
        for id in entries(&self.root.join("uploads"))? {
            match self.upload_state(&id) {
                Ok(Some(state)) => drop(owners.insert(id, state.user)),
                Ok(None) => {}
                // nobody can go on with it, and it is no reason to begin none
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                Err(error) => return Err(error),
            }
        }
        Ok(owners)
    }

    fn upload_state(&self, id: &str) -> io::Result<Option<UploadState>> {
        let file = self.upload_dir(id).join("state.json");
        match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                let what = format!("reading {}: {error}", file.display());
                io::Error::new(io::ErrorKind::InvalidData, what)
            }),
            Err(error) if durable::is_missing(&error) => Ok(None),
            Err(error) => Err(durable::named(&error, "reading", &file)),
        }
    }

    /// An upload that was begun before this registry started.
    pub fn open_upload(&self, id: &str) -> io::Result<Option<Upload>> {
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let Some(state) = self.upload_state(id)? else {
            return Ok(None);
        };
        let data = self.upload_dir(id).join("data");
        let opened = File::options().read(true).write(true).open(&data);
        let mut file = opened.map_err(|error| durable::named(&error, "opening", &data))?;
        let size = file.seek(io::SeekFrom::End(0))?;
        Ok(Some(Upload {
            id: id.to_owned(),
            state,
            file,
            size,
            hasher: None,
        }))
    }

    /// Ends an upload: the blob is the repository's, if what came has this digest. Whether it has; if not, all of it is gone.
    pub fn finish_upload(
        &self,
        mut upload: Upload,
        repository: &Repository,
        digest: &Digest,
    ) -> io::Result<bool> {
        let is_right = upload.digest(digest.algorithm())? == *digest;
        if is_right {
            upload.file.sync_all()?;
            let content = self.content(digest);
            let directory = content.parent().unwrap_or(&self.root);
            durable::make_dir(directory)?;
            let linking = self.pushes.linking([digest]);
            // also where there is some already: it may be damaged
            let data = self.upload_dir(&upload.id).join("data");
            fs::rename(&data, &content)
                .map_err(|error| durable::named(&error, "renaming to", &content))?;
            durable::sync_dir(directory)?;
            self.link_content(repository, digest)?;
            drop(linking);
        }
        self.cancel_upload(&upload.id)?;
        Ok(is_right)
    }

    /// Forgets the uploads to which nothing came for so long, and says how many they were. One in which only its directory
    /// is there was never acknowledged.
    pub fn forget_abandoned(&self, silence: Duration) -> io::Result<usize> {
        let mut forgotten = 0;
        for id in entries(&self.root.join("uploads"))? {
            let directory = self.upload_dir(&id);
            let data = directory.join("data");
            let changed = match fs::metadata(&data).and_then(|data| data.modified()) {
                Ok(changed) => changed,
                Err(error) if durable::is_missing(&error) => match directory.metadata() {
                    Ok(directory) => directory.modified()?,
                    // it has just ended
                    Err(_) => continue,
                },
                Err(error) => return Err(durable::named(&error, "reading", &data)),
            };
            // a time ahead is that of a clock that was set back
            if changed.elapsed().is_ok_and(|silent| silent > silence) {
                self.cancel_upload(&id)?;
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }

    /// Forgets an upload.
    pub fn cancel_upload(&self, id: &str) -> io::Result<()> {
        let directory = self.upload_dir(id);
        match fs::remove_dir_all(&directory) {
            Err(error) if !durable::is_missing(&error) => {
                Err(durable::named(&error, "removing", &directory))
            }
            _ => {
                self.open_uploads.end(id);
                Ok(())
            }
        }
    }
}
