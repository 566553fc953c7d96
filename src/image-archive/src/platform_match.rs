//! Which platforms serve where one is wanted, and which of them is the best: the rules of containerd's package
//! `platforms` (`Normalize`, `Only`), which decides for Docker as well.

use crate::platform::Platform;

/// Versions of arm64 before which there is none.
const ARM64_MINOR: u32 = 9;

impl Platform {
    /// The same platform in the one form that is compared: `x86_64` is `amd64`, `arm64/v8` is `arm64`, and `arm` is
    /// `arm/v7`.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let lower = |text: &str| text.trim().to_ascii_lowercase();
        let os = match lower(&self.os).as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let variant = lower(self.variant.as_deref().unwrap_or_default());
        let (architecture, variant) = match (lower(&self.architecture).as_str(), variant.as_str()) {
            ("i386" | "i686", _) => ("386", ""),
            ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", ""),
            ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", "" | "8" | "v8" | "v8.0") => ("arm64", ""),
            ("aarch64" | "arm64", "9" | "9.0" | "v9" | "v9.0") => ("arm64", "v9"),
            ("aarch64" | "arm64", variant) => ("arm64", variant),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "8") => ("arm", "v8"),
            (architecture, variant) => {
                return Self {
                    os,
                    architecture: architecture.to_owned(),
                    variant: Some(variant.to_owned()).filter(|variant| !variant.is_empty()),
                    os_features: self.os_features.clone(),
                };
            }
        };
        Self {
            os,
            architecture: architecture.to_owned(),
            variant: Some(variant.to_owned()).filter(|variant| !variant.is_empty()),
            os_features: self.os_features.clone(),
        }
    }

    /// How good an image for `found` is where `self` is wanted: less is better, and nothing is not at all.
    ///
    /// What containerd's matching takes comes first, in its order: `linux/amd64/v3`, then `v2`, `linux/amd64` and
    /// `linux/386`. If no variant is asked for, the other variants of the same processor come last, the lowest first:
    /// engines take them too, where there is nothing else.
    #[must_use]
    pub fn preference(&self, found: &Self) -> Option<u32> {
        if found.os_features.iter().flatten().next().is_some() {
            return None;
        }
        let (wanted, found) = (self.normalized(), found.normalized());
        if wanted.os != found.os {
            return None;
        }
        let alternatives = wanted.alternatives();
        let is_same = |(architecture, variant): &(String, Option<String>)| {
            *architecture == found.architecture && *variant == found.variant
        };
        let count = u32::try_from(alternatives.len()).unwrap_or(u32::MAX);
        if let Some(place) = alternatives.iter().position(is_same) {
            return u32::try_from(place).ok();
        }
        let asks_for_no_variant = self.variant.as_deref().unwrap_or_default().is_empty();
        (asks_for_no_variant && wanted.architecture == found.architecture)
            .then(|| count.saturating_add(version(found.variant.as_deref())))
    }

    /// Whether an image whose config says `self`, and of which nothing else says what it is for, may be meant where
    /// `wanted` is. What the config does not say counts as fitting.
    #[must_use]
    pub fn may_be(&self, wanted: &Self) -> bool {
        wanted.preference(&self.completed(wanted)).is_some()
    }

    /// The same platform with what it leaves open taken from `wanted`.
    #[must_use]
    pub fn completed(&self, wanted: &Self) -> Self {
        let is_said = |text: &str| !text.trim().is_empty();
        let architecture = if is_said(&self.architecture) {
            &self.architecture
        } else {
            &wanted.architecture
        };
        let mut completed = Self {
            os: if is_said(&self.os) {
                &self.os
            } else {
                &wanted.os
            }
            .clone(),
            architecture: architecture.clone(),
            variant: self.variant.clone().filter(|variant| is_said(variant)),
            os_features: self.os_features.clone(),
        };
        if completed.variant.is_none()
            && completed.normalized().architecture == wanted.normalized().architecture
        {
            completed.variant.clone_from(&wanted.variant);
        }
        completed
    }

    /// Whether a machine chooses this by itself, so that nobody has to be told: the plain platforms of BOSH's stemcells.
    #[must_use]
    pub fn is_a_machines_own(&self) -> bool {
        let normal = self.normalized();
        normal.variant.is_none() && matches!(normal.architecture.as_str(), "amd64" | "arm64")
    }

    /// Whether nothing is said at all.
    pub(crate) fn is_silent(&self) -> bool {
        let Self {
            os,
            architecture,
            variant,
            os_features,
        } = self;
        let text = [os.as_str(), architecture, variant.as_deref().unwrap_or("")].concat();
        text.trim().is_empty() && os_features.iter().flatten().next().is_none()
    }

    /// Architecture and variant of all that serves, the best first (containerd, `platforms/compare.go`).
    fn alternatives(&self) -> Vec<(String, Option<String>)> {
        let one = |architecture: &str, variant: Option<String>| (architecture.to_owned(), variant);
        let own = one(&self.architecture, self.variant.clone());
        let number = version(self.variant.as_deref());
        match self.architecture.as_str() {
            "amd64" => {
                let lower = (2..number).rev();
                let mut all = vec![own];
                all.extend(lower.map(|number| one("amd64", Some(format!("v{number}")))));
                if number > 1 {
                    all.push(one("amd64", None));
                }
                all.push(one("386", None));
                all
            }
            "arm" => {
                let lower = (5..number).rev();
                let mut all = vec![own];
                all.extend(lower.map(|number| one("arm", Some(format!("v{number}")))));
                all
            }
            "arm64" => {
                let mut all = arm64_versions(self.variant.as_deref());
                let arm = Self {
                    architecture: "arm".to_owned(),
                    variant: Some("v8".to_owned()),
                    ..self.clone()
                };
                all.extend(arm.alternatives());
                all
            }
            _ => vec![own],
        }
    }
}

/// `v9.1` runs what `v9` and `v8.0` to `v8.6` run.
fn arm64_versions(variant: Option<&str>) -> Vec<(String, Option<String>)> {
    let text = variant.unwrap_or("v8").trim_start_matches('v');
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    let minor: Option<u32> = minor.parse().ok().filter(|minor| *minor <= ARM64_MINOR);
    let ranges = match (major, minor) {
        ("8", Some(minor)) => vec![(8, minor)],
        ("9", Some(minor)) => vec![(9, minor), (8, (minor + 5).min(ARM64_MINOR))],
        _ => vec![],
    };
    let versions = ranges.into_iter().flat_map(|(major, highest)| {
        (0..=highest).rev().map(move |minor| match (major, minor) {
            (8, 0) => None,
            (major, 0) => Some(format!("v{major}")),
            (major, minor) => Some(format!("v{major}.{minor}")),
        })
    });
    versions
        .map(|variant| ("arm64".to_owned(), variant))
        .collect()
}

/// The number in `v3`; 0 if there is none.
fn version(variant: Option<&str>) -> u32 {
    let digits = variant.unwrap_or_default().trim_start_matches('v');
    let digits = digits.split('.').next().unwrap_or_default();
    // More than any processor has would only make the list of what is below it long.
    digits
        .parse()
        .ok()
        .filter(|number| *number < 100)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/');
        let mut part = || parts.next().unwrap_or_default().to_owned();
        Platform {
            os: part(),
            architecture: part(),
            variant: Some(part()).filter(|variant| !variant.is_empty()),
            os_features: None,
        }
    }

    /// Those of `found` that serve, the best first.
    fn order(wanted: &str, found: &[&str]) -> Vec<String> {
        let wanted = platform(wanted);
        let mut serving: Vec<(u32, String)> = (found.iter())
            .filter_map(|found| Some((wanted.preference(&platform(found))?, (*found).to_owned())))
            .collect();
        serving.sort_by_key(|(rank, _)| *rank);
        serving.into_iter().map(|(_, found)| found).collect()
    }

    #[test]
    fn the_order_is_containerds() {
        let amd64 = [
            "linux/386",
            "linux/amd64/v4",
            "linux/amd64/v2",
            "linux/arm64",
            "linux/x86_64/v1",
            "linux/amd64/v3",
            "windows/amd64",
        ];
        assert_eq!(
            order("linux/amd64/v3", &amd64),
            [
                "linux/amd64/v3",
                "linux/amd64/v2",
                "linux/x86_64/v1",
                "linux/386"
            ]
        );
        let arm = [
            "linux/arm/v5",
            "linux/arm64",
            "linux/arm/v6",
            "linux/arm",
            "linux/arm/v8",
        ];
        assert_eq!(
            order("linux/arm/v7", &arm),
            ["linux/arm", "linux/arm/v6", "linux/arm/v5"]
        );
        assert_eq!(order("linux/arm/v5", &arm), ["linux/arm/v5"]);
        assert_eq!(
            order("linux/aarch64", &arm),
            [
                "linux/arm64",
                "linux/arm/v8",
                "linux/arm",
                "linux/arm/v6",
                "linux/arm/v5"
            ]
        );
        assert_eq!(
            order(
                "linux/arm64/v9.1",
                &[
                    "linux/arm64/v8.7",
                    "linux/arm64/v8",
                    "linux/arm64/v8.6",
                    "linux/arm64/v9"
                ]
            ),
            ["linux/arm64/v9", "linux/arm64/v8.6", "linux/arm64/v8"]
        );
        assert_eq!(
            order("linux/s390x", &["linux/s390", "linux/s390x"]),
            ["linux/s390x"]
        );
    }

    #[test]
    fn without_a_variant_the_others_come_last_and_the_lowest_first() {
        let found = ["linux/amd64/v3", "linux/386", "linux/amd64/v2"];
        assert_eq!(
            order("linux/amd64", &found),
            ["linux/386", "linux/amd64/v2", "linux/amd64/v3"]
        );
        assert_eq!(order("linux/amd64/v1", &["linux/amd64/v3"]), [""; 0]);
        assert_eq!(
            order("linux/arm64", &["linux/arm64/v9"]),
            ["linux/arm64/v9"]
        );
    }

    #[test]
    fn what_needs_more_of_a_machine_than_can_be_known_does_not_serve() {
        let mut erofs = platform("linux/amd64");
        erofs.os_features = Some(vec!["erofs".to_owned()]);
        assert_eq!(platform("linux/amd64").preference(&erofs), None);
        erofs.os_features = Some(Vec::new());
        assert_eq!(platform("linux/amd64").preference(&erofs), Some(0));
    }

    #[test]
    fn what_a_config_does_not_say_counts_as_fitting() {
        for (said, wanted, fits) in [
            ("", "linux/amd64", true),
            ("/amd64", "linux/amd64", true),
            ("linux", "linux/arm64", true),
            ("linux/x86_64", "linux/amd64", true),
            ("linux/arm", "linux/arm/v6", true),
            ("linux/arm/v7", "linux/arm/v6", false),
            ("linux/amd64", "linux/amd64/v3", true),
            ("linux/amd64/v3", "linux/amd64", true),
            ("linux/arm64", "linux/amd64", false),
            ("/arm64", "linux/amd64", false),
            ("windows/amd64", "linux/amd64", false),
        ] {
            assert_eq!(
                platform(said).may_be(&platform(wanted)),
                fits,
                "{said} {wanted}"
            );
        }
    }
}
