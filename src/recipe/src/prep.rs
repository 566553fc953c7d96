//! Property `prep`: a script that runs on the VM before the services come up.

use bosh_job::{Problem, Secret};
use serde_json::Value;

use crate::kind;

/// The script, with a `#!` line in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prep(Secret);

impl Prep {
    pub(crate) fn parse(value: &Value) -> Result<Option<Self>, Problem> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) if text.trim().is_empty() => Ok(None),
            Value::String(text) if text.starts_with("#!") => {
                Ok(Some(Self(Secret::new(text.as_str()))))
            }
            // the shell that used to run it took such a text for a shell script; the kernel does not
            Value::String(text) => Ok(Some(Self(Secret::new(format!("#!/bin/sh\n{text}"))))),
            other => Err(
                Problem::new("prep", format!("must be a script, and is {}", kind(other))).hint(
                    "write the script after `prep: |`, beginning with a line such as #!/bin/bash",
                ),
            ),
        }
    }

    /// The script.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.reveal()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_script_without_a_first_line_of_its_own_is_a_shell_script() {
        assert_eq!(
            Prep::parse(&json!("exit 0")).unwrap().unwrap().text(),
            "#!/bin/sh\nexit 0"
        );
        assert_eq!(
            Prep::parse(&json!("#!/bin/bash\n:\n"))
                .unwrap()
                .unwrap()
                .text(),
            "#!/bin/bash\n:\n"
        );
        assert_eq!(Prep::parse(&json!("\n")).unwrap(), None);
        assert!(Prep::parse(&json!(true)).is_err());
    }
}
