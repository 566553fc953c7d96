//! `--recompress zstd`.

use image_fixture::{Files, Packing, TestImage};

use crate::common::{Place, image};

#[test]
fn stores_layers_as_zstd_and_says_what_that_costs() {
    let place = Place::new();
    let image: TestImage = image(&[(1, 100_000)]).with_layer(&[("zeros", &vec![0; 500_000])]);
    let files = Files::layout(&image, &["team/app:1"], Packing::Gzip, true);
    files.write(&place.beside("layout"));
    let source = format!("oci:{}", place.beside("layout").display());
    let ran = place
        .run(&["freeze", &source, "--recompress", "zstd"])
        .good();
    assert!(
        ran.stderr().contains("was recompressed"),
        "{}",
        ran.stderr()
    );
    let note = format!("recompressed to zstd from {}", files.target());
    assert!(place.lock().contains(&note), "{}", place.lock());
    assert!(!place.lock().contains("tar+gzip"));
    for blob in place.blobs() {
        assert_eq!(std::fs::read(blob).unwrap()[..4], [0x28, 0xb5, 0x2f, 0xfd]);
    }
    place.assert_whole();

    let other = Place::new();
    other
        .run(&["freeze", &source, "--recompress", "zstd", "--jobs", "1"])
        .good();
    assert_eq!(
        place.lock(),
        other.lock(),
        "the same image gives the same bytes"
    );

    let again = place
        .run(&["freeze", &source, "--recompress", "zstd"])
        .good();
    assert!(
        again.stdout().contains("unchanged team/app:1"),
        "{}",
        again.stdout()
    );
    assert!(
        again.stdout().contains("fetched: 0 layers"),
        "{}",
        again.stdout()
    );
}

#[test]
fn layers_that_are_zstd_already_keep_their_digests() {
    let place = Place::new();
    let files = Files::layout(&image(&[(1, 1000)]), &["team/app:1"], Packing::Zstd, true);
    files.write(&place.beside("layout"));
    let source = format!("oci:{}", place.beside("layout").display());
    let ran = place
        .run(&["freeze", &source, "--recompress", "zstd"])
        .good();
    assert!(ran.stdout().contains(&files.target()), "{}", ran.stdout());
    assert!(!place.lock().contains("recompressed"));
}
