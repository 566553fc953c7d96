//! A tarball, byte for byte: whatever its headers claim, compressed it is the same as plain.
#![no_main]

use std::{fs, io::Write as _};

use flate2::{Compression, write::GzEncoder};
use fuzz::{images, place};
use libfuzzer_sys::fuzz_target;

const BLOCK: usize = 512;

fuzz_target!(|bytes: &[u8]| {
    let path = place().join("as-it-is.tar");
    fs::write(&path, bytes).expect("writing to memory");
    let _ = images::open(&path, None);

    let bytes = with_checksums(bytes.to_vec());
    let path = place().join("checked.tar");
    fs::write(&path, &bytes).expect("writing to memory");
    let plain = images::open(&path, None);

    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(&bytes).and_then(|()| encoder.finish());
    let path = place().join("checked.tgz");
    fs::write(&path, packed.expect("writing to memory")).expect("writing to memory");
    let compressed = images::open(&path, None);
    // an archive in an archive is none
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        match (plain, compressed) {
            (Ok(plain), Ok(compressed)) => assert_eq!(plain, compressed),
            (Err(_), Err(_)) => {}
            (plain, compressed) => panic!("{plain:?}, but compressed {compressed:?}"),
        }
    }
});

/// With the checksum of each header as it should be: by chance alone, none would be.
fn with_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = 0;
    while let Some(block) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..BLOCK)) {
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
        let size = header.entry_size().unwrap_or_default();
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let blocks = size.checked_next_multiple_of(BLOCK);
        at = blocks
            .and_then(|size| size.checked_add(at + BLOCK))
            .unwrap_or(usize::MAX);
    }
    bytes
}
