//! Ranges: of bytes that are asked for (RFC 9110, 14), and of a piece of an upload (`0-1023`).

use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Everything: there is no such header, or one that is not understood.
    All,
    /// These bytes.
    Part(Range<u64>),
    /// Nothing that is there.
    Nothing,
}

/// Reads a `Range` header for content of this size. Several ranges are answered with everything, as the RFC allows.
pub fn asked(header: Option<&str>, size: u64) -> Asked {
    let Some((first, last)) = header
        .and_then(|text| text.strip_prefix("bytes="))
        .and_then(|text| text.split_once('-'))
    else {
        return Asked::All;
    };
    let (first, last) = (first.trim(), last.trim());
    let number = |text: &str| text.parse::<u64>().ok();
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => return Asked::Nothing,
        (Some(first), Some(last)) => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(0)) if first.is_empty() => return Asked::Nothing,
        (None, Some(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Asked::All,
    };
    if range.start < size {
        Asked::Part(range)
    } else {
        Asked::Nothing
    }
}

/// Reads the `Content-Range` of a piece of an upload: its first byte and its length.
pub fn of_piece(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
    let length = last.checked_sub(first)?.checked_add(1)?;
    Some((first, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_rfc() {
        for (header, expected) in [
            ("bytes=500-1499", Asked::Part(500..1500)),
            ("bytes=500-", Asked::Part(500..2048)),
            ("bytes=-500", Asked::Part(1548..2048)),
            ("bytes=-5000", Asked::Part(0..2048)),
            ("bytes=2000-5000", Asked::Part(2000..2048)),
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=500-0", Asked::Nothing),
            ("bytes=5000-10000", Asked::Nothing),
            ("bytes=2048-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=0-18446744073709551615", Asked::Part(0..2048)),
            ("bytes=0-1,5-6", Asked::All),
            ("bytes=-", Asked::All),
            ("bytes=x-1", Asked::All),
            ("items=0-1", Asked::All),
            ("", Asked::All),
        ] {
            assert_eq!(asked(Some(header), 2048), expected, "{header}");
        }
        assert_eq!(asked(None, 2048), Asked::All);
        assert_eq!(asked(Some("bytes=0-"), 0), Asked::Nothing);
    }

    #[test]
    fn pieces_say_their_first_and_last_byte() {
        assert_eq!(of_piece("0-1023"), Some((0, 1024)));
        assert_eq!(of_piece("1024-1024"), Some((1024, 1)));
        for bad in [
            "",
            "-",
            "1-",
            "-1",
            "2-1",
            "a-b",
            "0-18446744073709551615",
            "bytes 0-1/2",
        ] {
            assert_eq!(of_piece(bad), None, "{bad}");
        }
    }
}
