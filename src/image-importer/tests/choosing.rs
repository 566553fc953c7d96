//! What a real engine makes of images whose indexes, configs and layers are not the usual ones, with either image store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by them"
)]

mod common;

use std::io::Write as _;

use common::{Vm, on_each_store};
use docker_engine::Engine;
use image_fixture::{Layout, Packing, TestImage, named};
use serde_json::{Value, json};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// An image of one gzip'd layer, whose config has these values.
fn simple(layout: &mut Layout, seed: u8, config: &Value) -> Value {
    let image = TestImage::small(seed);
    let layer = layout.layer(&image, 0, Packing::Gzip);
    layout.image(&with(&image, config), CONFIG, &[layer], MANIFEST)
}

/// The config of an image with other values in it; `null` takes one out.
fn with(image: &TestImage, values: &Value) -> Value {
    let mut config: Value = serde_json::from_slice(&image.config()).unwrap();
    config["config"]["Cmd"] = json!(["/seed"]);
    for (key, value) in values.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    config
}

fn platform(mut entry: Value, architecture: &str, variant: &str) -> Value {
    entry["platform"] = json!({"os": "linux", "architecture": architecture});
    if !variant.is_empty() {
        entry["platform"]["variant"] = json!(variant);
    }
    entry
}

/// A container can be made of the image, as Compose makes one.
fn assert_usable(engine: &Engine, name: &str) {
    let spec = json!({"Image": name, "HostConfig": {"NetworkMode": "none"}});
    let container = engine
        .create_container(None, spec)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    engine.remove_container(&container, true).unwrap();
}

/// Imports a layout, twice, and makes a container of it: under its tag, and under its tag and the digest of what the tag
/// stands for, as recipes have it that somebody pins.
fn imports(name: &str, make: impl Fn(&mut Layout) -> Value) {
    on_each_store(|dockerd, vm| {
        let engine = dockerd.engine();
        for is_pinned in [false, true] {
            let mut layout = Layout::default();
            let target = make(&mut layout);
            let tag = format!("{name}{}:1", if is_pinned { "-pinned" } else { "" });
            let pin = format!("{tag}@{}", target["digest"].as_str().unwrap());
            let target = named(target, if is_pinned { &pin } else { &tag });
            vm.layout(&tag, &layout.files(&[target]));
            vm.list(&[&tag]);
            let actions: &[&str] = if is_pinned {
                &["tagged", "loaded"]
            } else {
                &["loaded"]
            };
            let import = vm.import();
            assert!(
                import.code == Some(0) && actions.contains(&import.actions()[0]),
                "{import:#?}"
            );
            assert_usable(&engine, &tag);
            if is_pinned {
                assert_usable(&engine, &as_the_runner_resolves(&engine, vm, &pin));
            }
            vm.import().assert(0, &["present"]);
        }
    });
}

/// A pin as the engine knows it, or else what image-importer left for compose-runner to put in its place.
fn as_the_runner_resolves(engine: &Engine, vm: &Vm, pin: &str) -> String {
    if engine.inspect_image(pin).unwrap().is_some() {
        return pin.to_owned();
    }
    let map = vm.image_map();
    let found = map
        .resolve(pin)
        .unwrap_or_else(|| panic!("{pin} is not in {map:?}"));
    found.to_owned()
}

fn host() -> String {
    TestImage::empty().platform.1
}

#[test]
fn an_image_of_an_index_in_an_index() {
    imports("nested", |layout| {
        let image = simple(layout, 1, &json!({}));
        let inner = layout.index(&[platform(image, &host(), "")]);
        layout.index(&[inner])
    });
}

#[test]
fn the_variant_that_the_release_has_where_the_index_has_others() {
    if host() != "amd64" {
        return;
    }
    imports("variant", |layout| {
        // Of the usual one only the index is there.
        let absent = platform(simple(&mut Layout::default(), 2, &json!({})), "amd64", "");
        let image = simple(layout, 1, &json!({"variant": "v3"}));
        let index = layout.index(&[absent, platform(image, "amd64", "v3")]);
        platform(index, "amd64", "v3")
    });
}

#[test]
fn a_config_without_a_platform() {
    imports("silent", |layout| {
        simple(layout, 1, &json!({"os": null, "architecture": null}))
    });
}

#[test]
fn a_config_that_contradicts_its_index() {
    imports("contradicts", |layout| {
        let image = simple(layout, 1, &json!({"architecture": "s390x"}));
        layout.index(&[platform(image, &host(), "")])
    });
}

#[test]
fn a_config_of_a_type_that_a_proxy_made_up() {
    imports("octets", |layout| {
        let image = TestImage::small(1);
        let layer = layout.layer(&image, 0, Packing::Plain);
        let config = with(&image, &json!({}));
        layout.image(&config, "application/octet-stream", &[layer], MANIFEST)
    });
}

#[test]
fn zstd_layers_of_the_widest_windows() {
    imports("zstd", |layout| {
        let image = TestImage::small(1).with_layer(&[("more", &vec![7; 100_000])]);
        let layers: Vec<Value> = (image.layers.iter())
            .map(|layer| {
                let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
                encoder.window_log(27).unwrap();
                encoder.include_contentsize(false).unwrap();
                encoder.write_all(&layer[..600]).unwrap();
                encoder.flush().unwrap();
                encoder.write_all(&layer[600..]).unwrap();
                layout.put(Packing::Zstd.media_type(), &encoder.finish().unwrap())
            })
            .collect();
        let config = with(&image, &json!({}));
        layout.image(&config, CONFIG, &layers, MANIFEST)
    });
}

#[test]
fn zstd_layers_of_dockers_media_type() {
    const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    const DOCKER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";
    for (own, config_type) in [(DOCKER_MANIFEST, DOCKER_CONFIG), (MANIFEST, CONFIG)] {
        imports("docker-zstd", |layout| {
            let image = TestImage::small(1).with_layer(&[("more", b"x")]);
            // as a build leaves it on a base of another registry's compression
            let zstd = layout.put(DOCKER_ZSTD, &Packing::Zstd.pack(&image.layers[0]));
            let gzip = layout.layer(&image, 1, Packing::Gzip);
            layout.image(&with(&image, &json!({})), config_type, &[zstd, gzip], own)
        });
        imports("docker-zstd-of-index", |layout| {
            let image = TestImage::small(1);
            let zstd = layout.put(DOCKER_ZSTD, &Packing::Zstd.pack(&image.layers[0]));
            let manifest = layout.image(&with(&image, &json!({})), config_type, &[zstd], own);
            layout.index(&[platform(manifest, &host(), "")])
        });
    }
}
