//! A DNS message: a question's answer repeats the question and nothing else, and is itself no question.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vm_networks::{Question, REFUSED, query};

fuzz_target!(|message: &[u8]| {
    let Some(question) = Question::parse(message) else {
        return;
    };
    let answer = question.answer(message, REFUSED);
    let end = answer.len();
    assert!((17..=12 + 255 + 4).contains(&end) && end <= message.len());
    assert_eq!(answer[..2], message[..2], "the query's number");
    assert_eq!(answer[12..], message[12..end], "the question");
    assert_eq!(answer[2], 0x80 | message[2] & 1, "a response");
    assert_eq!(answer[3..12], [0x80 | REFUSED, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(Question::parse(&answer), None, "a response is no query");

    let name = question.name.as_str();
    assert!(name.len() <= 3 * 255 && !name.ends_with('.'), "{name}");
    assert!(
        !name.contains(|letter: char| letter.is_ascii_uppercase()),
        "{name}"
    );
    let domains = ["bosh".to_owned()];
    #[expect(clippy::case_sensitive_file_extension_comparisons, reason = "a domain")]
    let is_in = name == "bosh" || name.ends_with(".bosh");
    assert_eq!(question.is_in(&domains), is_in, "{name}");
    // the same name in another message is the same question
    let labels = || name.split('.');
    if name.is_ascii()
        && labels().all(|label| label.len() < 64 && (name.is_empty() || !label.is_empty()))
    {
        let again =
            Question::parse(&query(name)).expect("a name that was asked for can be asked for");
        assert_eq!(again.name, question.name);
    }
});
