use super::super::images_lock::LockedLayer;
use super::*;
use image_archive::Platform;

const MB: u64 = 1_000_000;

fn image(reference: &str, layout: Layout, layers: &[(&str, u64)]) -> LockedImage {
    let reference: Reference = reference.parse().unwrap();
    LockedImage {
        package: names::of_image(&reference),
        reference,
        digest: Digest::of(b"index"),
        nested: Vec::new(),
        manifest: Digest::of(b"manifest"),
        config: Digest::of(b"config"),
        platform: Platform::host(),
        layout,
        packages: Vec::new(),
        layers: layers
            .iter()
            .map(|(content, size)| LockedLayer {
                digest: Digest::of(content.as_bytes()),
                size: *size,
                media_type: "application/vnd.oci.image.layer.v1.tar+gzip".into(),
            })
            .collect(),
        source: None,
    }
}

fn layer(content: &str) -> String {
    names::of_layer(&Digest::of(content.as_bytes()))
}

#[test]
fn large_layers_get_packages_and_small_ones_stay_with_their_image() {
    let mut images = [image(
        "a:1",
        Layout::Split,
        &[("big", 16 * MB), ("small", 16 * MB - 1)],
    )];
    assign_packages(&mut images);
    assert_eq!(images[0].packages, ["a-1-image".to_owned(), layer("big")]);
    let files = files(&ImagesLock::new(images.to_vec()));
    let spec = &files["packages/a-1-image/spec"];
    assert!(
        !spec.contains(&Digest::of(b"big").hex()) && spec.contains(&Digest::of(b"small").hex())
    );
    assert_eq!(
        files["jobs/a-1-image/templates/images.lst.erb"],
        format!(
            "/var/vcap/packages/a-1-image\n/var/vcap/packages/{}\n",
            layer("big")
        )
    );
}

#[test]
fn an_image_whose_layers_all_have_packages_moves_none_itself() {
    let mut images = [image("a:1", Layout::Split, &[("big", 20 * MB)])];
    assign_packages(&mut images);
    let files = files(&ImagesLock::new(images.to_vec()));
    assert!(!files["packages/a-1-image/packaging"].contains("layers/"));
}

#[test]
fn single_and_archive_have_one_package() {
    for layout in [Layout::Single, Layout::Archive] {
        let mut images = [image("a:1", layout, &[("big", 20 * MB)])];
        assign_packages(&mut images);
        assert_eq!(images[0].packages, ["a-1-image"]);
        let files = files(&ImagesLock::new(images.to_vec()));
        let archive = layout == Layout::Archive;
        assert_eq!(
            files["packages/a-1-image/spec"].contains("a-1-image/a-1-image.tar"),
            archive
        );
        assert_eq!(
            files["jobs/a-1-image/templates/images.lst.erb"].ends_with("a-1-image/a-1-image.tar\n"),
            archive
        );
    }
}

#[test]
fn a_layer_that_an_image_has_twice_is_stored_once() {
    let mut images = [image(
        "a:1",
        Layout::Split,
        &[("x", 1), ("y", 20 * MB), ("x", 1), ("y", 20 * MB)],
    )];
    assign_packages(&mut images);
    assert_eq!(images[0].packages.len(), 2);
    let files = files(&ImagesLock::new(images.to_vec()));
    assert_eq!(
        files["packages/a-1-image/spec"].matches("layers/").count(),
        1
    );
}

#[test]
fn of_too_many_layers_those_get_packages_that_save_most() {
    let names: Vec<String> = (0..25).map(|number| format!("layer {number}")).collect();
    let layers: Vec<(&str, u64)> = names
        .iter()
        .zip(20..)
        .map(|(name, size)| (name.as_str(), size * MB))
        .chain([("shared", 17 * MB)])
        .collect();
    let shared: Vec<LockedImage> = (0..4)
        .map(|number| {
            image(
                &format!("b:{number}"),
                Layout::Split,
                &[("shared", 17 * MB)],
            )
        })
        .collect();
    let mut images = [vec![image("a:1", Layout::Split, &layers)], shared].concat();
    assign_packages(&mut images);
    let packages = &images[0].packages;
    assert_eq!(packages.len(), 1 + MOST_PACKAGES);
    assert!(packages.contains(&layer("shared")), "85 MB in five images");
    assert!(packages.contains(&layer("layer 24")) && !packages.contains(&layer("layer 0")));

    // Whatever order they came in.
    let before: Vec<_> = images.iter().map(|image| image.packages.clone()).collect();
    images.reverse();
    assign_packages(&mut images);
    images.reverse();
    let after: Vec<_> = images.iter().map(|image| image.packages.clone()).collect();
    assert_eq!(before, after);
}
