//! Ten thousand seeded mutations of the files that people edit: no panic, no hang, and what is taken is written back as it
//! was read.

use fastrand::Rng;
use image_fixture::{Packing, TestImage};
use image_packager::release::{Blobs, ImagesLock, Layout};

use crate::common::{Place, fetched, large};

const ROUNDS: usize = 10_000;

fn filled() -> Place {
    let place = Place::new();
    let image = large(TestImage::small(1), 1, 17);
    place.put(&[&fetched(&image, "redis:7", Packing::Plain, true)], None);
    let image = TestImage::small(2);
    let image = fetched(&image, "quay.io/a/b:1", Packing::Gzip, false);
    place.put(&[&image], Some(Layout::Archive));
    place
}

fn mutate(random: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..random.usize(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.usize(..bytes.len());
        match random.u8(..7) {
            0 => bytes[at] ^= 1 << random.u8(..8),
            1 => bytes[at] = random.u8(b' '..b'\x7f'),
            2 => bytes.insert(at, b"0{[\"}],:9-e&*!|>#'\n "[random.usize(..20)]),
            3 => drop(bytes.remove(at)),
            4 => {
                let end = (at + random.usize(1..64)).min(bytes.len());
                bytes.extend_from_within(at..end);
            }
            5 => bytes[at] = b"0123456789abcdef"[random.usize(..16)],
            _ if random.u8(..8) == 0 => bytes.truncate(at),
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
}

/// Counts what was taken, so that the test does not pass by refusing everything.
fn mutations(seed: u64, original: &str, swallow: impl Fn(&str) -> Result<(), String>) {
    let mut random = Rng::with_seed(seed);
    let mut taken = 0;
    for _ in 0..ROUNDS {
        let mut bytes = original.as_bytes().to_vec();
        mutate(&mut random, &mut bytes);
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        match swallow(&text) {
            Ok(()) => taken += 1,
            Err(why) => assert!(!why.is_empty()),
        }
    }
    println!("{taken} of {ROUNDS} were taken");
    assert!(taken > ROUNDS / 100);
}

#[test]
fn locks() {
    let text = filled().read("images.lock");
    assert_eq!(ImagesLock::parse(&text).unwrap().to_text(), text);
    mutations(1, &text, |text| {
        let lock = ImagesLock::parse(text)?;
        assert_eq!(ImagesLock::parse(&lock.to_text()).unwrap(), lock, "{text}");
        for image in lock.images() {
            for name in &image.packages {
                assert!(!name.contains('/') && !name.contains(".."), "{name}");
            }
        }
        Ok(())
    });
}

#[test]
fn lists_of_blobs() {
    let text = filled().read("config/blobs.yml");
    let text = text.replace("  sha:", "  object_id: 1c2d-33\n  sha:");
    mutations(2, &text, |text| {
        let blobs = Blobs::parse(text)?;
        assert_eq!(Blobs::parse(&blobs.to_text()).unwrap(), blobs, "{text}");
        Ok(())
    });
}

#[test]
fn a_lock_that_was_changed_never_leads_a_change_out_of_the_release() {
    let place = filled();
    let outside = place.beside("precious");
    std::fs::write(&outside, "precious").unwrap();
    let original = place.read("images.lock");
    let mut random = Rng::with_seed(3);
    let mut opened = 0;
    for _ in 0..ROUNDS / 10 {
        let mut bytes = original.clone().into_bytes();
        mutate(&mut random, &mut bytes);
        place.write("images.lock", &bytes);
        if let Ok(mut release) = image_packager::release::Release::open(
            &place.root(),
            image_packager::release::Access::Write,
        ) {
            opened += 1;
            let all: Vec<_> = release
                .lock()
                .images()
                .iter()
                .map(|image| image.reference.clone())
                .collect();
            let told = release.remove(&all, true).unwrap();
            for path in told.deleted.iter().chain(&told.written) {
                assert!(!path.contains("..") && !path.starts_with('/'), "{path}");
            }
        }
    }
    assert!(opened > 50, "{opened}");
    assert_eq!(std::fs::read(&outside).unwrap(), b"precious");
}
