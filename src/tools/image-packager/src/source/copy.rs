//! Copying a layer that lies on this machine into its part file, and checking it on the way.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use image_archive::HashingReader;

use super::{Error, Fetch, Result};

const CHUNK: usize = 256 << 10;

/// Writes all of `data` to the part file, flushes it, and compares digest and size. `path` is what messages name.
pub fn copy(
    data: &mut dyn Read,
    path: &Path,
    fetch: Fetch<'_>,
    progress: &dyn Fn(u64),
    stop: &AtomicBool,
) -> Result<()> {
    let descriptor = &fetch.layer.descriptor;
    let mut file = File::create(fetch.part).map_err(Error::file("making", fetch.part))?;
    // One byte more than there should be shows that there is more.
    let mut reader = HashingReader::new(data.take(descriptor.size.saturating_add(1)));
    let mut buffer = vec![0; CHUNK];
    let mut count = 0;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::file("reading", path)(error)),
        };
        file.write_all(&buffer[..read])
            .map_err(Error::file("writing", fetch.part))?;
        count += read as u64;
        progress(count.min(descriptor.size));
    }
    let (actual, size) = reader.finish();
    if size != descriptor.size {
        return Err(Error::WrongSize {
            path: path.to_owned(),
            expected: descriptor.size,
            actual: size,
        });
    }
    if actual != descriptor.digest {
        return Err(Error::WrongDigest {
            path: path.to_owned(),
            expected: descriptor.digest,
            actual,
        });
    }
    file.sync_data().map_err(Error::file("writing", fetch.part))
}
