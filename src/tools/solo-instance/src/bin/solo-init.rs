//! The PID 1 of this crate's own tests; bosh-solo has the same behind a hidden subcommand.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    solo_instance::init_main(std::env::args_os().skip(1)).unwrap_or_else(|error| {
        let mut line = format!("error: {error}\n");
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            line = line + "  caused by: " + &source.to_string() + "\n";
            cause = source.source();
        }
        let _ = std::io::stderr().write_all(line.as_bytes());
        ExitCode::FAILURE
    })
}
