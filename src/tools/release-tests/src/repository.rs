use std::path::{Path, PathBuf};

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(3)
        .map_or_else(|| here.to_owned(), Path::to_owned)
}

/// A program that `ci/test` has built: one of the VM's programs, the registry, or a tool.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let target = match name {
        "bosh-solo" | "image-packager" => "src/tools/target/debug",
        "image-registry" => "src/image-registry/target/debug",
        _ => "target/debug",
    };
    let path = repository().join(target).join(name);
    assert!(
        path.exists(),
        "{} is not built; `ci/test` builds it, or: cargo build (in the root, in src/tools, and in src/image-registry)",
        path.display()
    );
    path
}
