//! Go writes an empty list or map as `null`; here it reads as the empty value.

use serde::{Deserialize, Deserializer};

pub(crate) fn or_default<'de, T, D>(deserializer: D) -> std::result::Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
