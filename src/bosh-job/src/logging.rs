//! One event a line on stderr: `2026-11-20T16:03:31.120Z INFO image-importer: image loaded reference=… digest=…`.

use std::fmt::{self, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::Mode;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::{LogLevel, one_line};

/// Starts logging for a program. A second call changes nothing.
pub fn init(program: &'static str, level: LogLevel) {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::from(level))
        .with_writer(std::io::stderr)
        // a disk without room for logs is no reason to stop, and the word about it would go to the same place: as a panic
        .log_internal_errors(false)
        .event_format(Line { program })
        .finish();
    // fails only when a subscriber is set already, as in tests
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Opens a log of the job at its end: for root and the group of its directory, `vcap` on a VM.
///
/// # Errors
/// It cannot be opened, or not be given to the group.
pub fn open_log(path: &Path) -> io::Result<File> {
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)?;
    restrict(&log, path)?;
    Ok(log)
}

/// Keeps other users from reading the log that stderr goes to, if it is this file: the shell that opened it made it for all.
/// Where that fails, the program works all the same.
pub fn restrict_log(path: &Path) {
    let stderr = io::stderr();
    let is_log = rustix::fs::fstat(&stderr).is_ok_and(|open| {
        fs::metadata(path).is_ok_and(|log| (log.dev(), log.ino()) == (open.st_dev, open.st_ino))
    });
    if is_log {
        let _ = restrict(&stderr, path);
    }
}

fn restrict(log: impl AsFd, path: &Path) -> io::Result<()> {
    let group = path.parent().map(fs::metadata).transpose()?;
    fchown(&log, None, group.map(|directory| directory.gid()))?;
    Ok(rustix::fs::fchmod(&log, Mode::from_raw_mode(0o640))?)
}

struct Line {
    program: &'static str,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let now = Timestamp::now();
        writeln!(
            writer,
            "{now:.3} {} {}: {}{}",
            event.metadata().level(),
            self.program,
            fields.message,
            fields.others
        )
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Fields {
    fn add(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            // no event can look like two
            self.message = one_line(value).into_owned();
        } else if value.is_empty()
            || value.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"')
        {
            let value = format!("{value:?}");
            let _ = write!(self.others, " {}={}", field.name(), one_line(&value));
        } else {
            let _ = write!(self.others, " {}={}", field.name(), one_line(value));
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_is_not_for_all_even_if_it_was_made_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        fs::write(&path, "old\n").unwrap();
        io::Write::write_all(&mut open_log(&path).unwrap(), b"new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\nnew\n");
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o640);
        assert_eq!(metadata.gid(), fs::metadata(dir.path()).unwrap().gid());
    }

    #[test]
    fn an_event_is_one_line_with_its_fields() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .event_format(Line {
                program: "docker-ctl",
            })
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(
                reference = "busybox:1",
                why = "no space\nleft",
                count = 3,
                "image loaded\nfake"
            );
        });
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        let (time, rest) = text.split_once(' ').unwrap();
        assert_eq!(
            rest,
            "INFO docker-ctl: image loaded\\nfake reference=busybox:1 why=\"no space\\nleft\" count=3\n"
        );
        assert_eq!(time.len(), "2026-11-20T16:03:31.120Z".len(), "{time}");
    }
}
