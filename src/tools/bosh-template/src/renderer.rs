//! One Ruby process for each batch of templates.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{fs, io, thread};

use serde::{Deserialize, Serialize};

use crate::error::{RenderError, TemplateError};

/// What Ruby runs: the Director's template context, and the exchange with this program.
const SCRIPT: &str = include_str!("render.rb");
/// Prints the version, and fails when a library is missing.
const PROBE: &str = "require 'erb'; require 'json'; require 'ostruct'; require 'yaml'; require 'shellwords'; print RUBY_VERSION";
/// The least version that is known to work.
const OLDEST: (u32, u32) = (2, 7);
/// How much of Ruby's standard error goes into a message, in bytes.
const STDERR_SHOWN: usize = 2000;

/// Renders templates by the machine's Ruby.
#[derive(Clone, Debug)]
pub struct Renderer {
    ruby: PathBuf,
}

#[derive(Serialize)]
struct Question<'a> {
    context: &'a serde_json::Value,
    templates: Vec<Template<'a>>,
}

#[derive(Serialize)]
struct Template<'a> {
    name: &'a str,
    source: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    outputs: Vec<String>,
    errors: Vec<TemplateError>,
}

impl Renderer {
    /// A renderer that uses `ruby` of `PATH`, once it is known to work.
    pub fn new() -> Result<Self, RenderError> {
        Self::with_ruby(Path::new("ruby"))
    }

    /// A renderer that uses this Ruby, once it is known to work.
    pub fn with_ruby(ruby: &Path) -> Result<Self, RenderError> {
        let output = command(ruby)
            .args(["-e", PROBE])
            .stdin(Stdio::null())
            .output()
            .map_err(RenderError::RubyMissing)?;
        if !output.status.success() {
            return Err(RenderError::RubyUnfit(last_lines(&output.stderr)));
        }
        let version = String::from_utf8_lossy(&output.stdout).into_owned();
        match numbers(&version) {
            Some(found) if found >= OLDEST => Ok(Self {
                ruby: ruby.to_owned(),
            }),
            _ => Err(RenderError::RubyUnfit(format!(
                "it is version {version}, and {}.{} is the oldest that can",
                OLDEST.0, OLDEST.1
            ))),
        }
    }

    /// Renders templates, each a name and its source, with one context; the outputs are in their order.
    ///
    /// Each template gets a context of its own, so that one that changes its properties changes no other's. Errors of all
    /// templates are reported together.
    pub fn render(
        &self,
        context: &serde_json::Value,
        templates: &[(&str, &str)],
    ) -> Result<Vec<String>, RenderError> {
        let templates = templates
            .iter()
            .map(|(name, source)| Template { name, source })
            .collect();
        let question =
            serde_json::to_vec(&Question { context, templates }).map_err(RenderError::Answer)?;
        let output = self.ask(question).map_err(RenderError::Pipe)?;
        if !output.status.success() {
            return Err(RenderError::RubyFailed {
                status: output.status,
                stderr: last_lines(&output.stderr),
            });
        }
        let answer: Answer = serde_json::from_slice(&output.stdout).map_err(RenderError::Answer)?;
        if answer.errors.is_empty() {
            Ok(answer.outputs)
        } else {
            Err(RenderError::Templates(answer.errors))
        }
    }

    /// Renders one template file.
    pub fn render_file(
        &self,
        context: &serde_json::Value,
        path: &Path,
    ) -> Result<String, RenderError> {
        let source = fs::read_to_string(path).map_err(|source| RenderError::ReadTemplate {
            path: path.to_owned(),
            source,
        })?;
        let mut outputs = self.render(context, &[(&path.display().to_string(), &source)])?;
        Ok(outputs.pop().unwrap_or_default())
    }

    /// Sends the question through a pipe and takes the answer from another, both at once.
    fn ask(&self, question: Vec<u8>) -> io::Result<Output> {
        let mut child = command(&self.ruby)
            .args(["-e", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let sender = thread::spawn(move || match stdin {
            Some(mut stdin) => stdin.write_all(&question),
            None => Ok(()),
        });
        let output = child.wait_with_output()?;
        match sender.join() {
            // A Ruby that ended early closed the pipe: its own end says more.
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(output),
        }
    }
}

/// Ruby without what the caller's shell would have it load.
fn command(ruby: &Path) -> Command {
    let mut command = Command::new(ruby);
    command.env_remove("RUBYOPT").env_remove("RUBYLIB").args([
        "-W0",
        "-Eutf-8:utf-8",
        "--disable=error_highlight",
    ]);
    command
}

fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn last_lines(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim_end();
    let mut start = text.len().saturating_sub(STDERR_SHOWN);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}
