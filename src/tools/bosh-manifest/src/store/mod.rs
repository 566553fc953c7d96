//! The vars store: values that are made once and kept in a file, as with the CLI's `--vars-store`.

mod certificate;
mod issuer;
mod options;
mod password;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::report::Report;
use crate::vars::{Definition, read_map};
use crate::yaml::to_yaml;
use crate::{Map, Value};

/// Only the owner may read what is made here.
const MODE: u32 = 0o600;

/// A file of variables. A variable that is there is never recreated, also when its options change: the CLI knows no
/// `update_mode` either.
#[derive(Debug)]
pub(crate) struct VarsStore {
    path: PathBuf,
    values: Option<BTreeMap<String, Value>>,
}

impl VarsStore {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            values: None,
        }
    }

    /// The value that is there; else, when the variable has a type, one that is made and kept.
    ///
    /// `given` are the values from other sources: a CA may be among them.
    pub(crate) fn get(
        &mut self,
        definition: &Definition,
        given: &BTreeMap<String, Value>,
    ) -> Result<Option<Value>, Report> {
        let values = self.values()?;
        if let Some(value) = values.get(&definition.name) {
            return Ok(Some(value.clone()));
        }
        if definition.kind.is_empty() {
            return Ok(None);
        }
        let issuer = |name: &str| given.get(name).or_else(|| values.get(name));
        let value = generate(definition, &issuer).map_err(|reason| {
            reason.within(format!("Generating variable '{}'", definition.name))
        })?;
        values.insert(definition.name.clone(), value.clone());
        self.save()?;
        Ok(Some(value))
    }

    /// The names of what is there.
    pub(crate) fn names(&mut self) -> Result<Vec<String>, Report> {
        let first = |name: &String| name.split('.').next().unwrap_or_default().to_owned();
        Ok(self.values()?.keys().map(first).collect())
    }

    fn values(&mut self) -> Result<&mut BTreeMap<String, Value>, Report> {
        let values = match self.values.take() {
            Some(values) => values,
            None => self.load()?,
        };
        Ok(self.values.insert(values))
    }

    fn load(&self) -> Result<BTreeMap<String, Value>, Report> {
        let name = self.path.display();
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(Report::Message(format!("Opening file {name}: {error}"))),
        };
        read_map(&text).map_err(|error| {
            Report::message(error).within(format!("Deserializing variables file store '{name}'"))
        })
    }

    fn save(&self) -> Result<(), Report> {
        let values = self.values.iter().flatten();
        let map: Map = values
            .map(|(name, value)| (Value::from(name.as_str()), value.clone()))
            .collect();
        write_atomically(&self.path, to_yaml(&Value::Map(map)).as_bytes()).map_err(|error| {
            Report::message(error).within(format!(
                "Writing variables to file store '{}'",
                self.path.display()
            ))
        })
    }
}

fn generate<'v>(
    definition: &Definition,
    issuer: &dyn Fn(&str) -> Option<&'v Value>,
) -> Result<Value, Report> {
    match definition.kind.as_str() {
        "password" => password::generate(&definition.options),
        "certificate" => certificate::generate(&definition.options, issuer),
        "rsa" | "ssh" => Err(Report::Message(format!(
            "Unsupported value type: {} (only password and certificate are made here; make the key with ssh-keygen and give it with --var-file)",
            definition.kind
        ))),
        other => Err(Report::Message(format!("Unsupported value type: {other}"))),
    }
}

/// Writes beside the file and renames, so that a crash leaves the old secrets or the new ones.
fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    // A link stays a link: what it names is replaced.
    let path = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut draft_name = std::ffi::OsString::from(".");
    draft_name.push(name);
    draft_name.push(format!(".{}", std::process::id()));
    let draft = path.with_file_name(draft_name);
    let written = write_draft(&draft, content).and_then(|()| fs::rename(&draft, &path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    written
}

fn write_draft(draft: &Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(draft)?;
    file.write_all(content)?;
    file.sync_all()
}
