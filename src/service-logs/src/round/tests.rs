//! With files written as dockerd writes them, and kills as often as wanted. The real dockerd is in compose-runner's tests.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use super::*;
use crate::Cap;

/// A container that writes as the json-file driver does.
struct Driver {
    source: Source,
    file: File,
    size: u64,
    max_size: u64,
    max_files: u32,
    written: u64,
}

impl Driver {
    fn new(root: &Path, id: &str, service: &str, max_size: u64, max_files: u32) -> Self {
        let directory = root.join("containers").join(id);
        fs::create_dir_all(&directory).unwrap();
        let log = directory.join(format!("{id}-json.log"));
        Self {
            file: File::create(&log).unwrap(),
            source: Source {
                id: id.into(),
                name: format!("running-{id}"),
                service: service.into(),
                log,
            },
            size: 0,
            max_size,
            max_files,
            written: 0,
        }
    }

    fn numbered(&self, number: u32) -> PathBuf {
        match number {
            0 => self.source.log.clone(),
            number => format!("{}.{number}", self.source.log.display()).into(),
        }
    }

    fn rotate(&mut self) {
        for number in (1..self.max_files).rev() {
            let _ = fs::rename(self.numbered(number - 1), self.numbered(number));
        }
        if self.max_files == 1 {
            fs::remove_file(&self.source.log).unwrap();
        }
        self.file = File::create(&self.source.log).unwrap();
        self.size = 0;
    }

    fn entry(&mut self, text: &str) {
        if self.size >= self.max_size {
            self.rotate();
        }
        let (written, stream) = (
            self.written,
            if self.written.is_multiple_of(2) {
                "stdout"
            } else {
                "stderr"
            },
        );
        self.written += 1;
        let time = format!(
            "2026-11-21T17:{:02}:{:02}.{:03}Z",
            written / 60_000 % 60,
            written / 1000 % 60,
            written % 1000
        );
        let entry = format!("{{\"log\":\"{text}\",\"stream\":\"{stream}\",\"time\":\"{time}\"}}\n");
        self.file.write_all(entry.as_bytes()).unwrap();
        self.size += entry.len() as u64;
    }

    fn lines(&mut self, count: u64) {
        for _ in 0..count {
            let text = format!("{} line {} of it\\n", self.source.id, self.written);
            self.entry(&text);
        }
    }
}

struct Bench {
    directory: tempfile::TempDir,
    settings: Settings,
}

impl Bench {
    fn new(cap: Cap) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            logs: directory.path().join("log"),
            state: directory.path().join("state"),
            cap,
        };
        fs::create_dir_all(&settings.logs).unwrap();
        fs::create_dir_all(&settings.state).unwrap();
        Self {
            directory,
            settings,
        }
    }

    fn driver(&self, id: &str, service: &str, max_size: u64, max_files: u32) -> Driver {
        Driver::new(self.directory.path(), id, service, max_size, max_files)
    }

    /// What was copied of a service, the oldest first.
    fn text(&self, service: &str) -> String {
        let path = |number| match number {
            0 => self.settings.logs.join(format!("service.{service}.log")),
            number => self
                .settings
                .logs
                .join(format!("rotated.{service}.{number}.log")),
        };
        let mut text = String::new();
        for number in (0..self.settings.cap.files).rev() {
            text += &fs::read_to_string(path(number)).unwrap_or_default();
        }
        text
    }

    /// How often each line of a container was copied must be once, in order.
    fn assert_each_once(&self, service: &str, drivers: &[&Driver]) {
        let text = self.text(service);
        for driver in drivers {
            let mark = format!(" {} line ", driver.source.id);
            let copied: Vec<u64> = text
                .lines()
                .filter_map(|line| line.split_once(&mark)?.1.split(' ').next()?.parse().ok())
                .collect();
            let wanted: Vec<u64> = (0..driver.written).collect();
            assert!(
                copied == wanted,
                "{}: {} of {}",
                driver.source.id,
                copied.len(),
                wanted.len()
            );
        }
        let count: u64 = drivers.iter().map(|driver| driver.written).sum();
        assert_eq!(text.lines().count() as u64, count, "nothing else");
    }
}

const LARGE: Cap = Cap {
    size: 40 << 20,
    files: 10,
};

fn copy_everything(round: &mut Round) {
    round.active.extend(round.containers.keys().cloned());
    while round.copy_all() == Rest::AtOnce {}
}

#[test]
fn each_line_is_there_once_however_often_the_collector_is_killed() {
    for seed in 0..8 {
        let random = &mut fastrand::Rng::with_seed(seed);
        let cap = Cap {
            size: 20_000,
            files: 10,
        };
        let bench = Bench::new(cap);
        let mut drivers = [
            bench.driver("a", "web", 5_000, 20),
            bench.driver("b", "web", 7_000, 20),
            bench.driver("c", "web", 1_000_000, 1),
        ];
        let mut round = Round::begin(&bench.settings);
        for driver in &drivers {
            round.follow(driver.source.clone());
        }
        for _ in 0..60 {
            for driver in &mut drivers {
                driver.lines(random.u64(0..30));
            }
            match random.u8(0..10) {
                // Killed: nothing is committed, and the next one begins.
                0..2 => {
                    drop(round);
                    round = Round::begin(&bench.settings);
                    // It is told again of the containers that there are.
                    for driver in &drivers {
                        round.follow(driver.source.clone());
                    }
                }
                2..4 => assert!(round.commit()),
                _ => {}
            }
            copy_everything(&mut round);
        }
        drop(round);
        round = Round::begin(&bench.settings);
        round.end(Instant::now() + Duration::from_mins(1));
        let [a, b, c] = &drivers;
        bench.assert_each_once("web", &[a, b, c]);
        for file in fs::read_dir(&bench.settings.logs).unwrap() {
            assert!(
                file.unwrap().metadata().unwrap().len() <= cap.size,
                "seed {seed}"
            );
        }
    }
}

#[test]
fn a_container_that_was_removed_is_copied_to_its_end_and_forgotten() {
    let bench = Bench::new(LARGE);
    let mut driver = bench.driver("a", "web", 1_000, 2);
    let mut round = Round::begin(&bench.settings);
    round.follow(driver.source.clone());
    driver.lines(5);
    copy_everything(&mut round);
    driver.lines(5);
    fs::remove_dir_all(driver.source.log.parent().unwrap()).unwrap();
    copy_everything(&mut round);
    bench.assert_each_once("web", &[&driver]);
    assert!(round.containers.is_empty());
    assert!(
        Positions::read(&round.positions)
            .unwrap()
            .containers
            .is_empty()
    );
    // A program that is killed now does not say that something were missing.
    drop(round);
    Round::begin(&bench.settings).end(Instant::now());
    bench.assert_each_once("web", &[&driver]);
}

#[test]
fn says_between_which_times_something_is_missing() {
    let bench = Bench::new(LARGE);
    let mut driver = bench.driver("a", "web", 1_000, 2);
    let mut round = Round::begin(&bench.settings);
    round.follow(driver.source.clone());
    driver.lines(3);
    copy_everything(&mut round);
    round.commit();
    drop(round);
    driver.lines(100);
    round = Round::begin(&bench.settings);
    copy_everything(&mut round);
    let text = bench.text("web");
    let missing: Vec<_> = text
        .lines()
        .filter(|line| line.contains("running-a missing "))
        .collect();
    assert_eq!(missing.len(), 1, "{text}");
    assert!(
        missing[0].contains("running-a missing output between 2026-11-21T17:00:00.002Z and "),
        "{text}"
    );
    assert!(
        text.lines().count() < 103 && text.contains("line 102 of it"),
        "{text}"
    );
    // Removed while nobody copied.
    round.commit();
    drop(round);
    fs::remove_dir_all(driver.source.log.parent().unwrap()).unwrap();
    drop(Round::begin(&bench.settings));
    drop(Round::begin(&bench.settings));
    let text = bench.text("web");
    assert!(
        text.ends_with("the container was removed before it was read\n"),
        "{text}"
    );
    assert_eq!(text.matches("running-a missing ").count(), 2, "{text}");
}

#[test]
fn finds_its_place_on_another_disk_by_the_last_entry() {
    let bench = Bench::new(LARGE);
    let mut driver = bench.driver("a", "web", 2_000, 3);
    let mut round = Round::begin(&bench.settings);
    round.follow(driver.source.clone());
    driver.lines(30);
    copy_everything(&mut round);
    round.commit();
    drop(round);
    driver.lines(5);
    for number in 0..3 {
        let path = driver.numbered(number);
        if let Ok(bytes) = fs::read(&path) {
            fs::remove_file(&path).unwrap();
            // So that no inode is used again.
            fs::write(path.with_extension("other"), "").unwrap();
            fs::write(&path, bytes).unwrap();
        }
    }
    Round::begin(&bench.settings).end(Instant::now());
    bench.assert_each_once("web", &[&driver]);
}

#[test]
fn a_truncated_source_is_read_from_its_new_beginning() {
    let bench = Bench::new(LARGE);
    let mut driver = bench.driver("a", "web", 1 << 20, 1);
    driver.file = OpenOptions::new()
        .append(true)
        .open(&driver.source.log)
        .unwrap();
    let mut round = Round::begin(&bench.settings);
    round.follow(driver.source.clone());
    driver.lines(30);
    copy_everything(&mut round);
    driver.file.set_len(0).unwrap();
    driver.lines(2);
    copy_everything(&mut round);
    let text = bench.text("web");
    assert_eq!(text.matches(" line 30 of it\n").count(), 1, "{text}");
    assert_eq!(
        (
            text.lines().count(),
            text.matches("running-a missing ").count()
        ),
        (33, 1)
    );
}

#[test]
fn what_is_no_entry_is_told_and_left_out() {
    let bench = Bench::new(LARGE);
    let mut driver = bench.driver("a", "web", 1 << 30, 1);
    driver.lines(1);
    driver.file.write_all(b"{\"log\":\"cut off").unwrap();
    driver.lines(1);
    driver.file.write_all(&vec![0; 300 << 10]).unwrap();
    driver.file.write_all(b"\n").unwrap();
    driver.lines(1);
    let mut round = Round::begin(&bench.settings);
    round.follow(driver.source.clone());
    copy_everything(&mut round);
    let text = bench.text("web");
    assert_eq!(text.matches(" of it\n").count(), 3, "{text}");
    assert_eq!(
        text.matches(" are no entry, and are left out\n").count(),
        3,
        "{text}"
    );
}

#[test]
fn a_line_of_any_length_is_one_line_also_over_a_kill() {
    let bench = Bench::new(LARGE);
    let mut driver = bench.driver("a", "web", 1 << 30, 1);
    let piece = "x".repeat(16 << 10);
    let mut round = Round::begin(&bench.settings);
    round.follow(driver.source.clone());
    for number in 0..100 {
        // All of one stream.
        driver.written = 0;
        driver.entry(&piece);
        copy_everything(&mut round);
        match number {
            30 => assert!(round.commit()),
            60 => {
                drop(round);
                round = Round::begin(&bench.settings);
            }
            _ => {}
        }
    }
    driver.written = 0;
    driver.entry("end\\n");
    round.end(Instant::now());
    let text = bench.text("web");
    assert_eq!(text.lines().count(), 1);
    assert!(text.ends_with("xxxend\n") && text.len() > 100 * piece.len());
}

#[test]
fn a_copy_that_cannot_be_written_is_made_later() {
    let bench = Bench::new(LARGE);
    let mut driver = bench.driver("a", "web", 1 << 20, 1);
    driver.lines(10);
    let path = bench.settings.logs.join("service.web.log");
    // A directory is in the way.
    fs::create_dir(&path).unwrap();
    let mut round = Round::begin(&bench.settings);
    round.follow(driver.source.clone());
    assert_eq!(round.copy_all(), Rest::Retry);
    fs::remove_dir(&path).unwrap();
    copy_everything(&mut round);
    bench.assert_each_once("web", &[&driver]);
    assert!(round.troubles.is_empty());
}

#[test]
fn a_disk_that_is_full_loses_nothing_and_doubles_nothing() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

    let bench = Bench::new(LARGE);
    let logs = &bench.settings.logs;
    let mounted = mount(
        "tmpfs",
        logs,
        "tmpfs",
        MountFlags::empty(),
        Some(c"size=64k"),
    );
    assert_eq!(mounted, Ok(()), "this test needs root");
    let mut driver = bench.driver("a", "web", 1 << 20, 1);
    driver.lines(3000);
    let mut round = Round::begin(&bench.settings);
    round.follow(driver.source.clone());
    let full = round.copy_all();
    drop(round);
    // Killed meanwhile.
    round = Round::begin(&bench.settings);
    let still_full = round.copy_all();
    let grown = mount_remount(logs, MountFlags::empty(), c"size=16m");
    copy_everything(&mut round);
    drop(round);
    let text = bench.text("web");
    unmount(logs, UnmountFlags::DETACH).unwrap();
    assert_eq!(
        (full, still_full, grown),
        (Rest::Retry, Rest::Retry, Ok(()))
    );
    let copied = text
        .lines()
        .map(|line| line.split(' ').nth(5).unwrap().parse::<u64>().unwrap());
    assert!(
        copied.eq(0..driver.written),
        "{} lines",
        text.lines().count()
    );
}
