//! What is left to do by hand once images are in a release: exact commands, and exact YAML to paste.

use std::fmt::Write as _;

use super::Release;
use super::change::{Change, Changes};

/// The text that follows a successful freeze; empty if nothing was asked for.
///
/// It names the jobs of the images in `changes` that the release has now.
#[must_use]
pub fn next_steps(release: &Release, changes: &Changes) -> String {
    let images: Vec<_> = changes
        .images
        .iter()
        .filter(|image| image.change != Change::Removed)
        .collect();
    if images.is_empty() {
        return String::new();
    }
    let references: Vec<&str> = images
        .iter()
        .map(|image| image.reference.as_str())
        .collect();
    let (root, name) = (
        quoted(&release.root().display().to_string()),
        release.name(),
    );
    let mut text = format!(
        "Next steps\n\n\
         1. Keep the change, and hand the release to the Director:\n\n\
         \x20  cd {root}\n\
         \x20  git add --all && git commit -m {}\n\
         \x20  bosh create-release\n\
         \x20  bosh upload-release\n\n\
         \x20  For a final release: bosh upload-blobs && bosh create-release --final\n\n\
         2. In the manifest, list the release, and beside the job docker the job of each image:\n\n",
        quoted(&format!("Freeze {}", references.join(", ")))
    );
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "releases:\n- name: {name}\n  version: latest\n\n\
         instance_groups:\n- name: NAME-OF-THE-GROUP\n  jobs:\n  - name: docker\n    release: containers\n"
    );
    for image in images {
        let _ = write!(
            text,
            "  - name: {}  # {}\n    release: {name}\n",
            image.package, image.reference
        );
    }
    text
}

/// For a shell, if it needs it.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:@+,=".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn quotes_what_a_shell_would_split_or_run() {
        assert_eq!(quoted("/a/b-c.d"), "/a/b-c.d");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("a'$(b)"), r"'a'\''$(b)'");
        assert_eq!(quoted(""), "''");
    }
}
