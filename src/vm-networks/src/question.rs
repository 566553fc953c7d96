//! As much of a DNS message (RFC 1035, 4.1) as it takes to see what is asked, and to refuse it.

/// Bytes of a message's header.
const HEADER: usize = 12;
/// Bytes of a name, with the lengths of its labels and the empty one at its end (RFC 1035, 2.3.4).
const LONGEST_NAME: usize = 255;
/// The response code of a server that cannot answer now.
pub const SERVER_FAILURE: u8 = 2;
/// The response code of a server that will not answer.
pub const REFUSED: u8 = 5;

/// What a query asks.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    /// The name asked for, in lower case, without the last dot.
    pub name: String,
    /// Where the question ends in the message.
    end: usize,
}

impl Question {
    /// The one question of a query; nothing if the message is no ordinary query.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<Self> {
        let header = message.get(..HEADER)?;
        let is_query = header[2] & 0b1111_1000 == 0;
        if !is_query || header[4..6] != [0, 1] {
            return None;
        }
        let (mut name, mut at) = (String::new(), HEADER);
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            // a pointer has nothing to point to in a question
            if length > 63 {
                return None;
            }
            if length == 0 {
                break;
            }
            // the label, and the empty one that has to follow
            if at + length + 1 > HEADER + LONGEST_NAME {
                return None;
            }
            let label = message.get(at..at + length)?;
            at += length;
            if !name.is_empty() {
                name.push('.');
            }
            // other bytes are in no name that is let through, and a dot within a label must not look like one between two
            let character = |byte: &u8| match byte {
                b'.' | 0x80.. => '\u{fffd}',
                byte => char::from(byte.to_ascii_lowercase()),
            };
            name.extend(label.iter().map(character));
        }
        let end = at + 4;
        message.get(..end)?;
        Some(Self { name, end })
    }

    /// Whether the name is one of these domains, or in one of them.
    #[must_use]
    pub fn is_in(&self, domains: &[String]) -> bool {
        domains.iter().any(|domain| {
            let rest = self.name.strip_suffix(domain.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    /// An answer that holds nothing but a response code.
    #[must_use]
    pub fn answer(&self, message: &[u8], code: u8) -> Vec<u8> {
        let mut answer = message.get(..self.end).unwrap_or_default().to_vec();
        if let Some(header) = answer.get_mut(..HEADER) {
            // a response; what was desired of recursion is kept
            header[2] = header[2] & 0b0000_0001 | 0b1000_0000;
            header[3] = 0b1000_0000 | code;
            header[6..].fill(0);
        }
        answer
    }
}

/// A query for the address of a name, as the resolver of a container sends it.
#[cfg(any(test, feature = "test-support"))]
#[must_use]
pub fn query(name: &str) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    // EDNS
    message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_name_and_whether_it_is_in_a_domain() {
        let question = Question::parse(&query("q-S0.web.default.dep.BOSH")).unwrap();
        assert_eq!(question.name, "q-s0.web.default.dep.bosh");
        let in_domains = |name: &str| {
            let domains = ["bosh".to_owned(), "service.internal".to_owned()];
            Question::parse(&query(name)).unwrap().is_in(&domains)
        };
        for (name, expected) in [
            ("a.bosh", true),
            ("bosh", true),
            ("x.service.internal", true),
            ("xbosh", false),
            ("a.bosh.example.com", false),
            ("internal", false),
            ("", false),
        ] {
            assert_eq!(in_domains(name), expected, "{name}");
        }
        let mut dotted = query("axbosh");
        dotted[14] = b'.';
        assert!(
            !Question::parse(&dotted)
                .unwrap()
                .is_in(&["bosh".to_owned()])
        );
    }

    #[test]
    fn a_refusal_is_a_response_to_the_question() {
        let query = query("a.example");
        let answer = Question::parse(&query).unwrap().answer(&query, REFUSED);
        assert_eq!(answer[..4], [0x12, 0x34, 0x81, 0x85]);
        assert_eq!(answer[4..12], [0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(answer[12..], query[12..query.len() - 11]);
    }

    #[test]
    fn a_name_has_255_bytes_at_most() {
        let name = |last: usize| {
            let label = "a".repeat(63);
            format!("{label}.{label}.{label}.{}", "b".repeat(last))
        };
        let longest = name(61);
        assert_eq!(Question::parse(&query(&longest)).unwrap().name, longest);
        assert_eq!(Question::parse(&query(&name(62))), None);
    }

    #[test]
    fn what_is_no_query_is_none() {
        let good = query("a.bosh");
        for length in 0..good.len() - 11 {
            assert_eq!(Question::parse(&good[..length]), None);
        }
        for (at, byte, what) in [
            (2, 0x80, "a response"),
            (2, 0x28, "an update"),
            (5, 0, "no question"),
            (5, 2, "two questions"),
            (12, 0xc0, "a pointer"),
            (12, 64, "a label of 64 bytes"),
            (12, 40, "a label that goes on behind the end"),
        ] {
            let mut message = good.clone();
            message[at] = byte;
            assert_eq!(Question::parse(&message), None, "{what}");
        }
    }

    #[test]
    fn whatever_a_query_asks_the_answer_repeats_it_and_nothing_else() {
        let good = query("a.bosh");
        let mut random = fastrand::Rng::with_seed(17);
        let mut asked = 0;
        for _ in 0..10_000 {
            let mut message = good.clone();
            for _ in 0..3 {
                let at = random.usize(..message.len());
                message[at] = random.u8(..);
            }
            message.truncate(random.usize(..=message.len()));
            let Some(question) = Question::parse(&message) else {
                continue;
            };
            asked += 1;
            let answer = question.answer(&message, SERVER_FAILURE);
            let end = answer.len();
            assert_eq!(answer[12..], message[12..end], "{message:?}");
            assert_eq!(answer[..2], message[..2], "{message:?}");
            assert_eq!(answer[2] & 0b1111_1110, 0x80, "{message:?}");
            assert_eq!(answer[3..12], [0x82, 0, 1, 0, 0, 0, 0, 0, 0]);
            // a response is no query, so that two servers never talk to each other
            assert_eq!(Question::parse(&answer), None, "{message:?}");
        }
        assert!(asked > 1000, "only {asked} were queries");
    }
}
