//! Configs and secrets that are texts of the recipe or of its environment and no files: Compose copies them into a container
//! when it creates it, and does not compare them.
//!
//! Their values get into a label, which everybody sees who may ask the engine. A digest alone would tell a short secret to
//! anybody who tries them all; so a random key is part of it, which stays on the VM in a file that only root reads. A key that
//! is lost costs that these services are recreated once.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use bosh_job::{ErrorReport, Paths, atomic_write};
use sha2::{Digest, Sha256};

use super::{add_text, named};
use crate::{
    failure::error,
    model::{InlineFile, Model},
};

const KEY_LENGTH: usize = 32;

/// What they are made of.
pub struct Texts<'a> {
    /// Where the key is kept.
    pub paths: &'a Paths,
    /// The environment in which Compose runs.
    pub environment: &'a [(String, String)],
}

impl Texts<'_> {
    /// Texts of services into whose containers Compose cannot copy them: it would find that out half-way, or (since 2.40) when the
    /// old container is gone.
    pub fn refused(&self, model: &Model) -> Vec<ErrorReport> {
        let services = model.services.iter();
        let read_only = services.filter(|(_, service)| service.replicas > 0 && service.read_only);
        let texts = read_only.flat_map(|(name, service)| {
            let texts = service.texts.iter().filter(|text| !self.is_empty(text));
            texts.map(move |text| (name, text))
        });
        let errors = texts.map(|(name, text)| {
            let place = text.kind.word();
            let mut found = error(format!(
                "service {name}, `{place}`: Compose cannot copy {} into the service's containers, since they are `read_only`",
                text.name
            ));
            found.service = Some(name.clone());
            found.property = Some("recipe".to_owned());
            found.hint = Some(format!(
                "put the text into property `files`, and have `{place}` name it with `file:`"
            ));
            found
        });
        errors.collect()
    }

    /// Compose copies no empty text.
    fn is_empty(&self, text: &InlineFile) -> bool {
        let content = text
            .content
            .as_ref()
            .is_none_or(|content| content.reveal().is_empty());
        let value = |variable: &String| {
            let mut all = self.environment.iter().rev();
            all.find(|(name, _)| name == variable)
        };
        let variable = text.variable.as_ref().and_then(value);
        content && variable.is_none_or(|(_, value)| value.is_empty())
    }

    /// Adds the texts that a service gets as files.
    pub fn add(&self, digest: &mut Option<Sha256>, texts: &[InlineFile]) -> io::Result<()> {
        if texts.is_empty() {
            return Ok(());
        }
        let digest = digest.get_or_insert_with(Sha256::new);
        add_text(digest, b"key", &key(self.paths)?);
        for text in texts {
            add_text(digest, text.kind.word().as_bytes(), text.name.as_bytes());
            if let Some(content) = &text.content {
                add_text(digest, b"content", content.reveal().as_bytes());
            }
            if let Some(variable) = &text.variable {
                self.add_variable(digest, variable)?;
            }
        }
        Ok(())
    }

    fn add_variable(&self, digest: &mut Sha256, variable: &str) -> io::Result<()> {
        let value = self
            .environment
            .iter()
            .rev()
            .find(|(name, _)| name == variable);
        if let Some((_, value)) = value {
            add_text(digest, b"variable", value.as_bytes());
            return Ok(());
        }
        // Compose looks there next. Which of its lines it is, only Compose knows.
        let path = self.paths.running().join(recipe::DOTENV_FILE);
        match fs::read(&path) {
            Ok(content) => add_text(digest, b".env", &content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                add_text(digest, b"unset", variable.as_bytes());
            }
            Err(error) => return Err(named(&path, &error)),
        }
        Ok(())
    }
}

/// The key, made if it is not there.
fn key(paths: &Paths) -> io::Result<Vec<u8>> {
    let path = paths.compose_dir().join("label.key");
    match read(&path, KEY_LENGTH as u64 + 1) {
        Ok(key) if key.len() == KEY_LENGTH => return Ok(key),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(&path, &error)),
        Ok(_) | Err(_) => {}
    }
    let random = Path::new("/dev/urandom");
    let key = read(random, KEY_LENGTH as u64).map_err(|error| named(random, &error))?;
    atomic_write(&path, &key, 0o600)?;
    Ok(key)
}

fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use bosh_job::Secret;

    use super::*;
    use crate::model::MountKind;

    fn digest(paths: &Paths, environment: &[(String, String)], texts: &[InlineFile]) -> Vec<u8> {
        let mut digest = None;
        Texts { paths, environment }
            .add(&mut digest, texts)
            .unwrap();
        digest.unwrap().finalize().to_vec()
    }

    #[test]
    fn a_value_changes_the_digest_and_only_who_has_the_key_can_compute_it() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        fs::create_dir_all(paths.compose_dir()).unwrap();
        fs::create_dir_all(paths.running()).unwrap();
        let inline = |content: Option<&str>, variable: Option<&str>| InlineFile {
            kind: MountKind::Secret,
            name: "pw".to_owned(),
            content: content.map(Secret::new),
            variable: variable.map(str::to_owned),
        };
        let of_variable = [inline(None, Some("PW"))];
        let with = |value: &str| [("PW".to_owned(), value.to_owned())];
        let first = digest(&paths, &with("1"), &of_variable);
        assert_eq!(digest(&paths, &with("1"), &of_variable), first);
        assert_ne!(digest(&paths, &with("2"), &of_variable), first);
        let content = digest(&paths, &[], &[inline(Some("1"), None)]);
        assert_ne!(digest(&paths, &[], &[inline(Some("2"), None)]), content);
        let unset = digest(&paths, &[], &of_variable);
        fs::write(paths.running().join(".env"), "PW=1\n").unwrap();
        assert_ne!(digest(&paths, &[], &of_variable), unset);

        let key = paths.compose_dir().join("label.key");
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        for damage in ["", "short"] {
            fs::write(&key, damage).unwrap();
            assert_ne!(
                digest(&paths, &with("1"), &of_variable),
                first,
                "another key"
            );
            assert_eq!(fs::read(&key).unwrap().len(), KEY_LENGTH);
        }
        let model = Model::parse(
            br#"{"services":{"a":{"read_only":true,"secrets":["s","t"]},"b":{"secrets":["s"]},"c":{"scale":0,"read_only":true,"secrets":["s"]}},
                "secrets":{"s":{"environment":"PW"},"t":{"environment":"EMPTY"}}}"#,
        )
        .unwrap();
        let environment = [("PW".to_owned(), "x".to_owned())];
        let refused = Texts {
            paths: &paths,
            environment: &environment,
        }
        .refused(&model);
        assert_eq!(refused.len(), 1);
        assert!(
            refused[0]
                .what
                .starts_with("service a, `secrets`: Compose cannot copy s")
        );

        let mut none = None;
        let texts = Texts {
            paths: &paths,
            environment: &[],
        };
        texts.add(&mut none, &[]).unwrap();
        assert!(none.is_none(), "services without texts keep their labels");
    }
}
