//! An OCI image layout: an image that is taken is made of bytes in its directory, wherever names and links lead.
#![no_main]

use std::fs;

use fuzz::{files::Files, images, place};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    // beside the layout, so that a link can lead there
    let outside = place().join("outside");
    if !outside.exists() {
        fs::write(&outside, b"{\"os\":\"linux\",\"architecture\":\"amd64\"}")
            .expect("writing to memory");
    }
    let files = Files::parse(text);
    let path = place().join("layout");
    files.write(&path);
    let _ = images::open(&path, Some(&files.digests));
});
