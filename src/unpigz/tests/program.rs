//! The program as dockerd and containerd call it.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let run = random.usize(1..2000);
        bytes.resize(bytes.len() + run, random.u8(..));
    }
    bytes
}

fn unpigz(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_unpigz"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // It may end without having read everything.
        scope.spawn(move || stdin.write_all(input).is_ok());
        child.wait_with_output().unwrap()
    })
}

#[test]
fn unpacks_all_members() {
    let (first, second) = (noise(5 << 20), noise(3 << 20));
    let output = unpigz(&["-d", "-c"], &[gzip(&first), gzip(&second)].concat());
    assert!(output.status.success());
    assert!(output.stdout == [first, second].concat());
}

#[test]
fn says_what_is_wrong_with_the_bytes() {
    let good = gzip(&noise(1 << 20));
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for bytes in [&good[..good.len() - 9], &flipped, b"no gzip at all", b""] {
        let output = unpigz(&["-d", "-c"], bytes);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.starts_with("unpigz: ") && said.lines().count() == 1,
            "{said}"
        );
    }
}

#[test]
fn refuses_what_it_does_not_know() {
    let output = unpigz(&["-k", "file.gz"], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("unknown argument -k")
    );
}

#[test]
fn ends_when_nobody_reads() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_unpigz"))
        .args(["-d", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // The program may be gone before it has taken everything.
    let _ = stdin.write_all(&gzip(&noise(20 << 20)));
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
