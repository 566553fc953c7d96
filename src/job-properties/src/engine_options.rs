//! Properties that are settings of dockerd and nothing more, under docker-boshrelease's names. One that is not set is left
//! to the engine.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::daemon_settings::{DaemonSetting, Family, SettingType};
use super::properties::Properties;
use super::setting_value::{SettingValue, Ulimit};
use super::values::{boolean, each, is_unset, kind, number, pairs, word};
use super::{daemon_map, log_driver};
use bosh_job::{Problem, Problems};

/// Far more than any process needs; what Linux takes is bounded by an `int`.
const MOST_MAPPINGS: u64 = 2_147_483_647;

/// Everything that goes into `daemon.json` as it is.
pub(super) fn parse(properties: &Properties) -> Result<BTreeMap<String, SettingValue>, Problems> {
    let mut problems = Problems::default();
    let mut settings = BTreeMap::new();
    for (property, setting) in DaemonSetting::plain() {
        let value = &properties.plain_settings[property];
        if !is_unset(value)
            && let Some(value) = problems.note_all(option(property, value, setting.value))
        {
            settings.insert(setting.key.to_owned(), value);
        }
    }
    let log = problems.note_all(log_driver::parse(
        &properties.log_driver,
        &properties.log_options,
    ));
    settings.extend(log.unwrap_or_default());
    let more = problems.note_all(daemon_map::parse(&properties.daemon));
    let more = more.unwrap_or_default().into_iter();
    settings.extend(more.map(|(key, value)| (key, SettingValue::Given(value))));
    problems.into_result(Some(settings))
}

/// `vm.max_map_count`, which databases and search engines want higher than Linux has it.
pub(super) fn max_map_count(properties: &Properties) -> Result<Option<u64>, Problem> {
    let value = &properties.vm.max_map_count;
    if is_unset(value) {
        return Ok(None);
    }
    number("vm.max_map_count", value, "mappings", 1, MOST_MAPPINGS).map(Some)
}

fn option(property: &str, value: &Value, of: SettingType) -> Result<SettingValue, Problems> {
    match of {
        SettingType::Switch => Ok(SettingValue::Switch(boolean(property, value)?)),
        SettingType::Word => Ok(SettingValue::Word(word(property, value)?.to_owned())),
        SettingType::Address(family) => {
            Ok(SettingValue::Address(address(property, value, family)?))
        }
        SettingType::Pairs => {
            let pairs = pairs(property, value)?.into_iter();
            let pairs: Vec<_> = pairs
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            Ok(SettingValue::Pairs(pairs))
        }
        SettingType::Limits => {
            let limits = each(property, value, limit)?;
            let by_name = limits.into_iter().map(|limit| (limit.name.clone(), limit));
            Ok(SettingValue::Limits(by_name.collect()))
        }
        SettingType::Number | SettingType::Text | SettingType::List | SettingType::Object => {
            if of.is_type_of(value) {
                return Ok(SettingValue::Given(value.clone()));
            }
            let what = format!("must be {}, and is {}", of.as_str(), kind(value));
            Err(Problem::new(property, what).into())
        }
    }
}

fn address(property: &str, value: &Value, family: Family) -> Result<IpAddr, Problem> {
    let found: Option<IpAddr> = value.as_str().and_then(|text| text.parse().ok());
    let (wanted, is_right) = match family {
        Family::Any => ("an IP address", true),
        Family::V4 => ("an IPv4 address", found.is_some_and(|ip| ip.is_ipv4())),
        Family::V6 => ("an IPv6 address", found.is_some_and(|ip| ip.is_ipv6())),
    };
    found.filter(|_| is_right).ok_or_else(|| {
        let shown = match value {
            Value::String(text) => format!("{text:?}"),
            other => kind(other).to_owned(),
        };
        Problem::new(property, format!("must be {wanted}, and is {shown}"))
    })
}

/// `nofile=1024:2048`, as dockerd has it in its file.
fn limit(place: &str, value: &Value) -> Result<Ulimit, Problem> {
    let wrong = || {
        Problem::new(place, "must be a string of the form name=soft:hard or name=limit, with whole numbers (-1: none)")
            .hint("for example nofile=65536:65536")
    };
    let (name, limits) = value
        .as_str()
        .and_then(|text| text.split_once('='))
        .ok_or_else(wrong)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let read = |text: &str| text.parse::<i64>().ok().filter(|limit| *limit >= -1);
    let (soft, hard) = (read(soft).ok_or_else(wrong)?, read(hard).ok_or_else(wrong)?);
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase()) {
        return Err(wrong());
    }
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err(Problem::new(place, "has a soft limit above its hard one"));
    }
    Ok(Ulimit {
        name: name.to_owned(),
        soft,
        hard,
    })
}

#[cfg(test)]
mod tests;
