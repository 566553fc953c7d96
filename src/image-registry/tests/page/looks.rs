//! The page as it is answered: who sees what, how long lists are parted, and what no question can do.

use serde_json::json;

use crate::client::{Answer, Registry};
use crate::images::{self, Image};

const DAVE: &str = "Basic ZGF2ZTpzM2NyZXQ=";
const CI: &str = crate::client::CI;

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

fn get(registry: &Registry, path: &str) -> String {
    let answer = registry.get(path);
    assert!(
        answer.header("content-type").starts_with("text/html"),
        "{path}"
    );
    text(answer.assert(200))
}

/// `ci` may do everything, `dave` pull from `team`, and anyone from `public`.
fn registry() -> Registry {
    let registry = Registry::with(json!({
        "users": [
            {"name": "ci", "password": "hunter2", "grants": [{"rights": ["pull", "push", "delete"]}]},
            {"name": "dave", "password": "s3cret", "grants": [{"repositories": "team", "rights": ["pull"]}]},
        ],
        "anonymous": [{"repositories": "public", "rights": ["pull"]}],
    }));
    let layers: &[&[u8]] = &[b"the same layer", b"another"];
    for repository in ["team/app", "secret/app", "public/app"] {
        let image = Image {
            layers,
            labels: json!({"of": repository}),
            ..Image::default()
        };
        images::push(&registry, repository, "1", &image);
    }
    registry
}

#[test]
fn a_login_sees_what_it_may_pull_and_not_that_there_is_more() {
    let registry = registry();
    let ask = |login: Option<&str>, path: &str| {
        let headers: Vec<_> = login
            .iter()
            .map(|login| ("Authorization", *login))
            .collect();
        registry.ask_as_it_is("GET", path, &headers, b"")
    };
    for (login, sees) in [
        (Some(CI), ["team", "secret", "public"].as_slice()),
        (Some(DAVE), &["team"]),
        (None, &["public"]),
    ] {
        let all = ["team", "secret", "public"];
        let top = text(ask(login, "/").assert(200));
        let found = text(ask(login, "/?q=app").assert(200));
        for name in all {
            let is_seen = sees.contains(&name);
            assert_eq!(
                top.contains(&format!("href=\"/ui/{name}\"")),
                is_seen,
                "{login:?} {name}"
            );
            assert_eq!(
                found.contains(&format!("{name}/app")),
                is_seen,
                "{login:?} {name}"
            );
            for path in ["", "/app", "/app/_/1"] {
                let status = if is_seen { 200 } else { 404 };
                ask(login, &format!("/ui/{name}{path}")).assert(status);
            }
            // refused in the same words as what is not there
            if !is_seen {
                let hidden = text(&ask(login, &format!("/ui/{name}/app")));
                assert_eq!(hidden, text(&ask(login, "/ui/none/app")));
            }
        }
        let image = format!("/ui/{}/app/_/1", sees[0]);
        let page = text(ask(login, &image).assert(200));
        let others = match sees.len() {
            1 => "no other".to_owned(),
            many => format!("{} images", many - 1),
        };
        assert!(page.contains(&others), "{login:?}: {page}");
        for name in all.iter().filter(|name| !sees.contains(name)) {
            assert!(!page.contains(name), "{login:?} {name}");
        }
    }
}

#[test]
fn without_a_login_the_page_asks_for_one() {
    let registry = Registry::start();
    for path in ["/", "/ui/", "/ui/team", "/login"] {
        let refused = registry.ask_as_it_is("GET", path, &[], b"");
        assert_eq!(
            refused.assert(401).header("www-authenticate"),
            "Basic realm=\"registry\", charset=\"UTF-8\""
        );
        assert!(text(&refused).contains("<h1>Log in to look</h1>"));
    }
    let wrong = [("Authorization", "Basic Y2k6eA==")];
    registry.ask_as_it_is("GET", "/", &wrong, b"").assert(401);
    let login = registry.get("/login");
    assert_eq!(login.assert(303).header("location"), "/");
    for asset in ["style.css", "copy.js", "icon.svg"] {
        let path = format!("/ui/_/{asset}");
        registry.ask_as_it_is("GET", &path, &[], b"").assert(200);
    }
    assert!(get(&registry, "/").contains("Nothing here yet"));
}

#[test]
fn every_answer_says_what_a_browser_must_not_do_with_it() {
    let registry = Registry::start();
    images::push(&registry, "team/app", "1", &Image::default());
    for path in [
        "/",
        "/ui/team/app",
        "/ui/team/app/_/1",
        "/ui/none",
        "/ui/_/copy.js",
        "/ui/%00",
    ] {
        let answer = registry.get(path);
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none';") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        let mut words = policy.split([' ', ';']);
        let foreign = words.find(|word| word.contains('.') || word.contains("://"));
        assert_eq!(foreign, None, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        let page = text(&answer);
        assert!(
            !page.contains(" style=") && !page.contains("<script>") && !page.contains(" onclick"),
            "{path}"
        );
        let head = registry.ask("HEAD", path, &[], b"");
        assert_eq!(
            (head.status, head.header("content-length")),
            (answer.status, answer.header("content-length")),
            "{path}"
        );
        assert!(head.body.is_empty(), "{path}");
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let refused = registry.ask(method, path, &[], b"");
            assert_eq!(refused.status, 405, "{method} {path}");
            assert_eq!(refused.header("allow"), "GET, HEAD");
        }
    }
}

#[test]
fn long_lists_come_in_parts_and_searches_and_orders_stay() {
    let registry = Registry::start();
    let digest = images::push(&registry, "team/app", "0", &Image::default());
    let manifest = registry
        .get(&format!("/v2/team/app/manifests/{digest}"))
        .json();
    for tag in 1..120 {
        registry.push_manifest("team/app", &format!("v{tag}"), &manifest);
    }
    let first = get(&registry, "/ui/team/app?order=name");
    assert_eq!(first.matches("/ui/team/app/_/").count(), 50);
    assert!(first.contains("1–50 of 120") && first.contains("?order=name&amp;page=2"));
    assert!(first.find("/_/v9\"").unwrap() < first.find("/_/v10\"").unwrap());
    let last = get(&registry, "/ui/team/app?order=name&page=3");
    assert!(
        last.contains("101–120 of 120")
            && last.contains("/_/v119")
            && !last.contains("rel=\"next\"")
    );
    assert_eq!(get(&registry, "/ui/team/app?order=name&page=99"), last);
    let found = get(&registry, "/ui/team/app?q=V11");
    assert!(found.contains("11 tags found"), "{found}");
    assert!(get(&registry, "/ui/team/app?q=none").contains("No tag has all of these words in it"));
    let typed = get(&registry, "/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E");
    assert!(
        typed.contains("value=\"&quot;&gt;&lt;script&gt;alert(1)"),
        "{typed}"
    );
}

#[test]
fn an_image_of_thousands_of_labels_and_layers_is_shown_in_part() {
    let registry = Registry::start();
    let labels: serde_json::Map<_, _> = (0..3000)
        .map(|number| (format!("label-{number:04}"), json!("x".repeat(100))))
        .collect();
    let layers: Vec<Vec<u8>> = (0..600)
        .map(|number: u32| number.to_be_bytes().to_vec())
        .collect();
    let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    let image = Image {
        layers: &layers,
        labels: labels.into(),
        ..Image::default()
    };
    images::push(&registry, "team/app", "1", &image);
    let page = get(&registry, "/ui/team/app/_/1");
    assert!(page.contains("These are the first 500 of 3,000."));
    assert!(page.contains("These are the first 500 of 600."));
    assert!(page.contains("label-0499") && !page.contains("label-0500"));
}

#[test]
fn an_image_shows_what_is_in_it_about_it_and_how_it_is_pulled() {
    let registry = Registry::start();
    let (index, [amd64, arm64]) =
        images::push_index(&registry, "team/app", "1.0", &[b"base", b"own"]);
    images::push_index(&registry, "team/other", "2.0", &[b"base", b"other"]);
    let sbom = images::push_about(&registry, "team/app", &index, "application/spdx+json");
    let page = get(&registry, "/ui/team/app/_/1.0");
    for text in [
        "docker pull registry/team/app:1.0",
        &format!("docker pull registry/team/app@{index}"),
        "linux/arm64",
        &format!("/ui/team/app/_/{amd64}"),
        "application/spdx+json",
        &format!("/ui/team/app/_/{sbom}"),
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let page = get(&registry, &format!("/ui/team/app/_/{arm64}"));
    for text in [
        "linux/arm64",
        "3 images",
        "1 image",
        "/ui/team/other/_/",
        "ADD rootfs.tar.xz /",
        "<code class=\"word\">--listen</code>",
        "href=\"https://git.example.com/team/app\" rel=\"noopener",
        "2026-11-20T08:15:00Z",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let page = get(&registry, &format!("/ui/team/app/_/{sbom}"));
    assert!(page.contains("oras pull registry/team/app@") && page.contains("sbom.json"));
    // a manifest whose content is gone, and one that is not what it says
    let hex = amd64.trim_start_matches("sha256:");
    let file = registry.store(&format!("blobs/sha256/{}/{hex}", &hex[..2]));
    std::fs::write(file, "{\"layers\":[1,{\"digest\":7}]}").unwrap();
    for path in [
        "/",
        "/ui/team/app",
        "/ui/team/app/_/1.0",
        &format!("/ui/team/app/_/{amd64}"),
    ] {
        get(&registry, path);
    }
}

#[test]
fn ten_thousand_odd_questions_get_an_answer_and_never_an_error_of_the_registry() {
    let registry = Registry::start();
    images::push(&registry, "team/app", "1", &Image::default());
    let pieces = [
        "/",
        "ui",
        "team",
        "app",
        "_",
        "1",
        "..",
        ".",
        "%2f",
        "%00",
        "%",
        "?",
        "q=",
        "page=",
        "order=",
        "&",
        "=",
        "-1",
        "99999999999999999999",
        "sha256:",
        "%F0%9F%98%80",
        "%ff",
        "<b>",
        "'",
        "\"",
        ";",
        "+",
        "A",
        "@",
        "style.css",
        "login",
        "%3A",
        "%0d%0aX:1",
        "a-very-long-name-that-goes-on",
        "\\",
        "#",
        "{}",
        "|",
        "~",
        "*",
    ];
    let mut state = 7_u64;
    let mut random = |below: usize| {
        // xorshift: the same questions at each run
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let mut answers = std::collections::BTreeMap::new();
    for round in 0..10_000 {
        let mut path =
            ["/", "/ui/", "/ui/team/app", "/ui/team/app/_/", "/?q="][round % 5].to_owned();
        for _ in 0..random(8) {
            path.push_str(pieces[random(pieces.len())]);
        }
        let answer = registry.get(&path);
        *answers.entry(answer.status).or_insert(0) += 1;
        assert!(
            [200, 303, 400, 404].contains(&answer.status),
            "{path}: {}",
            answer.status
        );
        assert!(!answer.header("x").starts_with('1'), "{path}");
    }
    assert!(answers[&200] > 1000 && answers[&404] > 1000, "{answers:?}");
    let log = registry.log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}
