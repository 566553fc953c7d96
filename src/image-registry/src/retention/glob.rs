//! Patterns of names: `*` stands for any characters (in a repository's name, for those of one part), `?` for one, `**` for any parts.

/// Whether a name is of a pattern. With `separator`, `*` and `?` stand for none of these, and `**` does.
pub fn matches(pattern: &str, name: &str, separator: Option<char>) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    // which ends of the name's beginnings the pattern so far leads to
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let is_free = |letter: char| Some(letter) != separator;
        let mut next = vec![false; name.len() + 1];
        match pattern[at] {
            '*' => {
                let is_double = pattern.get(at + 1) == Some(&'*');
                at += usize::from(is_double);
                for end in 0..=name.len() {
                    let goes_on = end > 0 && next[end - 1] && (is_double || is_free(name[end - 1]));
                    next[end] = reached[end] || goes_on;
                }
            }
            letter => {
                for end in 1..=name.len() {
                    let is_same = match letter {
                        '?' => is_free(name[end - 1]),
                        letter => letter == name[end - 1],
                    };
                    next[end] = reached[end - 1] && is_same;
                }
            }
        }
        reached = next;
        at += 1;
    }
    reached[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_match_as_in_a_shell() {
        for (pattern, tag, expected) in [
            ("v*", "v1.2", true),
            ("v*", "rev1", false),
            ("*", "", true),
            ("v?", "v1", true),
            ("v?", "v12", false),
            ("*-rc*", "v1-rc2", true),
            ("latest", "latest", true),
            ("latest", "latest2", false),
            ("*.*.*", "1.2.3", true),
            ("*.*.*", "1.2", false),
        ] {
            assert_eq!(matches(pattern, tag, None), expected, "{pattern} {tag}");
        }
        // no pattern takes long
        let (pattern, tag) = ("*a".repeat(60), "a".repeat(127) + "b");
        assert!(!matches(&pattern, &tag, None));
    }

    #[test]
    fn a_star_stays_within_a_part_of_a_repository_s_name_and_two_do_not() {
        for (pattern, repository, expected) in [
            ("team/*", "team/app", true),
            ("team/*", "team/app/web", false),
            ("team/**", "team/app/web", true),
            ("team/*/web", "team/app/web", true),
            ("*", "team/app", false),
            ("**", "team/app", true),
            ("te?m/app", "team/app", true),
            ("team?app", "team/app", false),
        ] {
            let found = matches(pattern, repository, Some('/'));
            assert_eq!(found, expected, "{pattern} {repository}");
        }
    }
}
