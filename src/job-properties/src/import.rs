//! What the import of images may take.

use serde_json::Value;

use super::values::number;
use bosh_job::Problem;

/// Megabytes with which one image after the other can be verified and sent.
const LEAST: u64 = 32;
/// Far more than any import can use.
const MOST: u64 = 65_536;

/// Bytes.
pub(super) fn parse_memory(value: &Value) -> Result<u64, Problem> {
    number("import_memory_mb", value, "megabytes", LEAST, MOST).map(|megabytes| megabytes << 20)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::with;

    #[test]
    fn refuses_too_little_and_what_is_no_number() {
        for bad in [
            json!(31),
            json!(-1),
            json!("64"),
            json!(null),
            json!(1_000_000),
        ] {
            let problems = with(&[("import_memory_mb", bad.clone())])
                .import_memory()
                .unwrap_err();
            assert_eq!(
                problems.iter().next().unwrap().property,
                "import_memory_mb",
                "{bad}"
            );
        }
        assert_eq!(
            with(&[("import_memory_mb", json!(32))])
                .import_memory()
                .unwrap(),
            32 << 20
        );
    }
}
