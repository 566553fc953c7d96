//! How a value shows in base64, alone or within a longer text: `Authorization: Basic` has it after a name and a colon.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Less of it would be found by chance.
const SHORTEST: usize = 8;

/// What shows of a value, wherever it stands in the encoded text; in both alphabets.
pub fn spellings(value: &[u8]) -> Vec<String> {
    let mut all: Vec<String> = (0..3)
        .map(|before| within(value, before))
        .filter(|text| text.len() >= SHORTEST)
        .collect();
    let url = all
        .iter()
        .map(|text| text.replace('+', "-").replace('/', "_"));
    let url: Vec<String> = url.collect();
    all.extend(url);
    all.sort();
    all.dedup();
    all
}

/// The characters that stand for nothing but the value, when so many bytes of a group of three come before it.
fn within(value: &[u8], before: usize) -> String {
    let bits: Vec<bool> = value
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1))
        .collect();
    let shared = (6 - before * 8 % 6) % 6;
    bits.get(shared..)
        .unwrap_or_default()
        .chunks_exact(6)
        .map(|bits| {
            let index = bits
                .iter()
                .fold(0, |index, bit| index * 2 + usize::from(*bit));
            char::from(STANDARD[index])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_every_encoding_of_a_longer_text_contains() {
        let all = spellings(b"hunter22");
        for (before, text) in [
            ("", "aHVudGVyMjI="),
            ("u", "dWh1bnRlcjIy"),
            ("us", "dXNodW50ZXIyMg=="),
            ("use", "dXNlaHVudGVyMjI="),
        ] {
            assert!(
                all.iter().any(|one| text.contains(one)),
                "{before}: {all:?}"
            );
        }
        assert!(spellings(b"\xff\xff\xff\xff\xff\xff\xff\xff").contains(&"__________".to_owned()));
        assert!(spellings(b"pass").is_empty());
    }
}
