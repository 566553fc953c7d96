//! What go-yaml takes for a timestamp: it stays a string, but is quoted when written.

/// Whether `text` is a timestamp in one of the four forms that go-yaml knows (`resolve.go`, `allowedTimestampFormats`).
pub(super) fn is_timestamp(text: &str) -> bool {
    Timestamp(text.as_bytes()).parse().is_some()
}

struct Timestamp<'a>(&'a [u8]);

impl Timestamp<'_> {
    fn parse(mut self) -> Option<()> {
        let year = self.digits(4, 4)?;
        self.literal(b"-")?;
        let month = self.digits(1, 2)?;
        self.literal(b"-")?;
        let day = self.digits(1, 2)?;
        if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
            return None;
        }
        let separator = match self.0.split_first() {
            None => return Some(()),
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
        };
        self.time_of_day()?;
        match separator {
            b'T' | b't' => self.zone()?,
            b' ' => {}
            _ => return None,
        }
        self.0.is_empty().then_some(())
    }

    fn time_of_day(&mut self) -> Option<()> {
        let hour = self.digits(1, 2)?;
        self.literal(b":")?;
        let minute = self.digits(1, 2)?;
        self.literal(b":")?;
        let second = self.digits(1, 2)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        if let [b'.' | b',', b'0'..=b'9', ..] = self.0 {
            let digits = self.0[1..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            self.0 = &self.0[1 + digits..];
        }
        Some(())
    }

    fn zone(&mut self) -> Option<()> {
        if self.literal(b"Z").is_some() {
            return Some(());
        }
        self.literal(b"+").or_else(|| self.literal(b"-"))?;
        let hours = self.digits(2, 2)?;
        self.literal(b":")?;
        let minutes = self.digits(2, 2)?;
        (hours <= 24 && minutes <= 60).then_some(())
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<u32> {
        let count = self
            .0
            .iter()
            .take(most)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::is_timestamp;

    #[test]
    fn knows_dates_and_times() {
        for text in [
            "2019-06-13",
            "2001-1-2",
            "2001-12-14T21:59:43.10-05:00",
            "2001-12-14t2:5:3Z",
            "2001-12-14 21:59:43.1",
        ] {
            assert!(is_timestamp(text), "{text}");
        }
    }

    #[test]
    fn leaves_the_rest_alone() {
        for text in [
            "2019-13-01",
            "2019-02-29",
            "19-06-13",
            "2019-06",
            "2001-12-14 21:59:43.10 -5",
            "2019-06-13x",
        ] {
            assert!(!is_timestamp(text), "{text}");
        }
    }
}
