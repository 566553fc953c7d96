//! What Compose's labels say of a container: whether it is one of its service's own, one of `docker compose run`, or one that
//! runs a hook of the service.
//!
//! A `pre_start` hook runs in a container of its own that has the labels of project and service, too (docker/compose,
//! `createPreStartContainer`). Up to Compose 5.5 it is told from the service's containers by what it lacks: Compose gives each of
//! these a hash of its configuration, and looks at no others (`getDefaultFilters`). Later ones label it.

use std::collections::BTreeMap;

/// The project.
pub const PROJECT: &str = "com.docker.compose.project";
/// The service.
pub const SERVICE: &str = "com.docker.compose.service";
/// `True` if `docker compose run` made it.
pub const ONE_OFF: &str = "com.docker.compose.oneoff";
/// The hash of the service's configuration.
const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// The Compose that made it.
const VERSION: &str = "com.docker.compose.version";
/// The kind of a hook.
const HOOK: &str = "com.docker.compose.hook";
/// The kind that runs in a container of its own.
const PRE_START: &str = "pre_start";

/// A container's labels.
pub type Labels = BTreeMap<String, String>;

/// The service whose own container it is: none of `docker compose run`, and none of a hook.
#[must_use]
pub fn service(labels: &Labels) -> Option<&str> {
    let is_own = !is_one_off(labels) && hook(labels).is_none();
    labels.get(SERVICE).filter(|_| is_own).map(String::as_str)
}

/// The service, and the kind of its hook that the container runs (`pre_start`).
#[must_use]
pub fn hook(labels: &Labels) -> Option<(&str, &str)> {
    let service = labels.get(SERVICE)?;
    let kind = match labels.get(HOOK) {
        Some(kind) => kind,
        None if is_one_off(labels) || labels.contains_key(CONFIG_HASH) => return None,
        None => labels.get(VERSION).map(|_| PRE_START)?,
    };
    Some((service, kind))
}

/// Whether `docker compose run` made it.
#[must_use]
pub fn is_one_off(labels: &Labels) -> bool {
    let one_off = labels.get(ONE_OFF);
    one_off.is_some_and(|one_off| one_off.eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(more: &[(&str, &str)]) -> Labels {
        let own = [
            ("com.docker.compose.project", "running"),
            (SERVICE, "web"),
            (VERSION, "5.5.0"),
        ];
        let all = own.iter().chain(more);
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_hook_s_container_is_none_of_its_service_s_own_with_and_without_the_label_of_hooks() {
        for hooks in [
            labels(&[]),
            labels(&[(HOOK, "pre_start")]),
            labels(&[(HOOK, "pre_start"), (CONFIG_HASH, "1"), (ONE_OFF, "False")]),
        ] {
            assert_eq!(hook(&hooks), Some(("web", "pre_start")), "{hooks:?}");
            assert_eq!(service(&hooks), None, "{hooks:?}");
        }
    }

    #[test]
    fn what_compose_made_for_the_service_is_its_own_and_what_compose_run_made_is_not() {
        let own = labels(&[(CONFIG_HASH, "1"), (ONE_OFF, "False")]);
        assert_eq!((service(&own), hook(&own)), (Some("web"), None));
        for one_off in ["True", "true"] {
            let run = labels(&[(CONFIG_HASH, "1"), (ONE_OFF, one_off)]);
            assert_eq!((service(&run), hook(&run)), (None, None));
        }
        assert_eq!(service(&Labels::new()), None);
    }
}
