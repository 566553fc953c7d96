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
            Value::String(text) if first_line(text).starts_with("#!") => {
                if let Some(program) = first_line(text).strip_suffix('\r') {
                    let what = format!(
                        "its first line ends with a carriage return (CR), so that the kernel looks for a program {:?}",
                        format!("{}\r", interpreter_in(program))
                    );
                    return Err(Problem::new("prep", what).hint(
                        "save the script with line ends of Unix (LF), as `dos2unix` or `sed -i 's/\\r$//'` does",
                    ));
                }
                // a byte order mark or an empty line before it hides it from the kernel
                let script = text.trim_start_matches(is_before_script);
                Ok(Some(Self(Secret::new(script))))
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

    /// The program that its first line names.
    #[must_use]
    pub fn interpreter(&self) -> &str {
        interpreter_in(first_line(self.text()))
    }

    /// Whether lines end with CR LF.
    #[must_use]
    pub fn has_carriage_returns(&self) -> bool {
        self.text().contains("\r\n")
    }

    /// The script.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.reveal()
    }
}

fn is_before_script(c: char) -> bool {
    c == '\u{feff}' || c.is_ascii_whitespace()
}

/// The first line that is not empty, without its LF.
fn first_line(text: &str) -> &str {
    let text = text.trim_start_matches(is_before_script);
    text.split('\n').next().unwrap_or_default()
}

/// `/usr/bin/env` of `#! /usr/bin/env bash`.
fn interpreter_in(line: &str) -> &str {
    let words = line.trim_start_matches("#!");
    words.split_ascii_whitespace().next().unwrap_or_default()
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

    #[test]
    fn a_first_line_that_ends_with_cr_is_refused_since_no_program_has_such_a_name() {
        for script in [
            "#!/bin/sh\r\necho hi\r\n",
            "#! /usr/bin/env bash\r\n:",
            "#!/bin/sh\r",
        ] {
            let problem = Prep::parse(&json!(script)).unwrap_err();
            assert!(problem.what.contains("carriage return (CR)"), "{problem}");
            assert!(problem.what.contains("\\r\""), "{problem}");
            assert!(problem.hint.unwrap().contains("(LF)"));
        }
        let prep = Prep::parse(&json!("echo hi\r\n")).unwrap().unwrap();
        assert!(prep.has_carriage_returns());
    }

    #[test]
    fn a_first_line_is_found_behind_a_byte_order_mark_and_empty_lines() {
        for before in ["", "\u{feff}", "\n\n", " \n"] {
            let script = format!("{before}#! /usr/bin/python3 -u\nprint()\n");
            let prep = Prep::parse(&json!(script)).unwrap().unwrap();
            assert_eq!(prep.text(), "#! /usr/bin/python3 -u\nprint()\n");
            assert_eq!(prep.interpreter(), "/usr/bin/python3");
        }
        assert_eq!(
            Prep::parse(&json!("#!\n:")).unwrap().unwrap().interpreter(),
            ""
        );
    }
}
