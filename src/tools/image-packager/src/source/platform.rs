//! The platform that images are frozen for, as a flag names it. Which image is chosen for it is `image_archive`'s rule.

use image_archive::Platform;

use super::error::{Error, Result};

/// Reads `linux/amd64` or `linux/arm64/v8`, with the other names that machines have (`x86_64`, `aarch64`), as
/// containerd's `platforms` package does.
pub fn parse(text: &str) -> Result<Platform> {
    let wrong = || Error::PlatformText {
        text: text.chars().take(100).collect(),
    };
    let mut parts = text.split('/');
    let (Some(os), Some(architecture)) = (parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let variant = parts.next();
    let word = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if parts.next().is_some()
        || ![Some(os), Some(architecture), variant]
            .into_iter()
            .flatten()
            .all(word)
    {
        return Err(wrong());
    }
    let (architecture, implied) = match architecture.to_ascii_lowercase().as_str() {
        "x86_64" | "x86-64" => ("amd64".to_owned(), None),
        "aarch64" => ("arm64".to_owned(), None),
        "i386" | "i686" => ("386".to_owned(), None),
        "armhf" => ("arm".to_owned(), Some("v7")),
        "armel" => ("arm".to_owned(), Some("v6")),
        other => (other.to_owned(), None),
    };
    Ok(Platform {
        os: os.to_ascii_lowercase(),
        architecture,
        variant: variant.or(implied).map(str::to_ascii_lowercase),
        os_features: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_platforms_as_containerd_does() {
        for (text, shown) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("Linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("linux/armhf", "linux/arm/v7"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "linux/arm/v7/x",
            "linux/a b",
            "linux/amd64/",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
