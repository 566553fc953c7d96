//! One event a line on stderr: `2026-11-20T16:03:31.120Z INFO image-importer: image loaded reference=… digest=…`.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogLevel;
use crate::one_line;

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
