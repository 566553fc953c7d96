//! A tarball of `docker save`, given as its files: an image that is taken is made of bytes in it, and is written as it was read.
#![no_main]

use fuzz::{files::Files, images, place};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let files = Files::parse(text);
    let path = place().join("archive.tar");
    std::fs::write(&path, files.tarball()).expect("writing to memory");
    let _ = images::open(&path, Some(&files.digests));
});
