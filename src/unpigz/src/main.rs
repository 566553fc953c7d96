//! Unpacks gzip from stdin to stdout: what dockerd and containerd look for as `unpigz -d -c` on their `PATH`.
//!
//! Both unpack gzip'd layers in a process of that name if there is one (moby, `pkg/archive`; containerd,
//! `archive/compression`), and otherwise themselves, which takes them longer, on the processor that also writes the
//! files.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use flate2::read::MultiGzDecoder;
use rustix::pipe::fcntl_setpipe_size;

/// Bytes at a time, and bytes of a pipe: the kernel's limit for anybody, so that the two sides seldom wait for each other.
const BUFFER: usize = 1 << 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if let Some(unknown) = arguments.find(|argument| argument != "-d" && argument != "-c") {
        return fail(&format!(
            "unknown argument {}: this unpigz only knows `unpigz -d -c`, from stdin to stdout",
            unknown.display()
        ));
    }
    let (stdin, stdout) = (io::stdin().lock(), io::stdout().lock());
    // Files and sockets have no such size.
    let _ = fcntl_setpipe_size(&stdin, BUFFER);
    let _ = fcntl_setpipe_size(&stdout, BUFFER);
    match unpack(stdin, stdout) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn unpack(input: impl Read, mut output: impl Write) -> io::Result<()> {
    let input = io::BufReader::with_capacity(BUFFER, input);
    let mut unpacked = MultiGzDecoder::new(input);
    let mut buffer = vec![0; BUFFER];
    loop {
        match unpacked.read(&mut buffer)? {
            0 => return output.flush(),
            count => output.write_all(&buffer[..count])?,
        }
    }
}

fn fail(why: &str) -> ExitCode {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(io::stderr(), "unpigz: {why}");
    ExitCode::FAILURE
}
