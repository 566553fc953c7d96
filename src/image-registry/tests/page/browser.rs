//! The page in a real browser: on a desktop and on a phone, light and dark, and by keyboard.

use std::collections::BTreeSet;

use serde_json::json;

use crate::client::Registry;
use crate::devtools::Browser;
use crate::images;

const PAGES: [(&str, &str); 6] = [
    ("top", "/"),
    ("folder", "/ui/team"),
    ("repository", "/ui/team/app"),
    ("search", "/?q=lib"),
    ("index", "/ui/team/app/_/1.10"),
    ("nothing", "/ui/none"),
];

/// Colours that differ enough to be read (WCAG 2.2, 1.4.3) of all texts on the page; what does not is listed.
const CONTRAST: &str = r#"(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const bad = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own && element.tagName !== "INPUT") continue;
    const grounds = [];
    for (let at = element; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
    const ground = paint(grounds);
    const text = paint([...grounds, getComputedStyle(element).color]);
    const [dark, light] = [luminance(ground), luminance(text)].sort((a, b) => a - b);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) bad.push(`${element.outerHTML.slice(0, 80)}: ${ratio.toFixed(2)}`);
  }
  return bad;
})()"#;

fn address(registry: &Registry, path: &str) -> String {
    format!("http://ci:hunter2@{}{path}", registry.address)
}

#[test]
fn every_page_fits_every_window_and_can_be_read_light_and_dark() {
    let registry = Registry::start();
    let image = images::push_many(&registry);
    let mut browser = Browser::start();
    let image = format!("/ui/team/app/_/{image}");
    for (page, path) in PAGES.into_iter().chain([("image", image.as_str())]) {
        for (look, width, is_dark) in [
            ("light", 1200, false),
            ("dark", 1200, true),
            ("phone", 390, false),
            ("phone-dark", 390, true),
        ] {
            browser.look(width, 844, is_dark);
            browser.open(&address(&registry, path));
            let shown = browser.evaluate("document.documentElement.scrollWidth");
            assert_eq!(
                shown,
                json!(width),
                "{page} {look} is wider than its window"
            );
            let bad = browser.evaluate(CONTRAST);
            assert_eq!(bad, json!([]), "{page} {look}");
            let landmarks =
                browser.evaluate("[...document.querySelectorAll('header, main, h1')].length");
            assert_eq!(landmarks, json!(3), "{page}");
            browser.shoot(&format!("{page}-{look}"));
        }
        let ground = |browser: &mut Browser, is_dark| {
            browser.look(1200, 844, is_dark);
            browser.evaluate("getComputedStyle(document.body).backgroundColor")
        };
        assert_ne!(
            ground(&mut browser, false),
            ground(&mut browser, true),
            "{page}"
        );
    }
    let here = format!("http://{}/", registry.address);
    let own = |url: &&String| url.replace("ci:hunter2@", "").starts_with(&here);
    let others: Vec<&String> = browser.requested.iter().filter(|url| !own(url)).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(
        browser
            .requested
            .iter()
            .any(|url| url.ends_with("/ui/_/style.css"))
    );
}

#[test]
fn labels_that_are_meant_to_do_harm_are_text() {
    let registry = Registry::start();
    let labels = json!({
        "<script>document.title = 'harm'</script>": "<img src=x onerror=\"document.title = 'harm'\">",
        "org.opencontainers.image.source": "javascript:document.title='harm'",
        "org.opencontainers.image.url": "https://elsewhere.example/\"><script>document.title='harm'</script>",
        "style": "</dd><style>@import 'https://elsewhere.example/x.css'</style><link rel=stylesheet href=https://elsewhere.example/x.css>",
    });
    let image = images::Image {
        labels: labels.clone(),
        annotations: labels.clone(),
        ..images::Image::default()
    };
    images::push(&registry, "team/app", "1", &image);
    let mut browser = Browser::start();
    browser.open(&address(&registry, "/ui/team/app/_/1"));
    let text = browser.evaluate("document.querySelector('#labels + dl').textContent");
    for (name, value) in labels.as_object().unwrap() {
        let text = text.as_str().unwrap();
        assert!(
            text.contains(name) && text.contains(value.as_str().unwrap()),
            "{text}"
        );
    }
    assert_eq!(
        browser.evaluate(
            "document.querySelectorAll('main script, main img, main style, main link').length"
        ),
        json!(0)
    );
    assert_eq!(
        browser
            .evaluate("[...document.links].filter((link) => link.host !== location.host).length"),
        json!(0)
    );
    assert_eq!(
        browser.evaluate("document.title.includes('harm')"),
        json!(false)
    );
    // what got in nevertheless could not run: the content policy knows no script but the page's own
    let injected = "new Promise((done) => { const script = document.createElement('script'); script.textContent = 'document.title = \"harm\"'; document.body.append(script); setTimeout(() => done(document.title), 200); })";
    assert_ne!(browser.evaluate(injected), json!("harm"));
    let fetched = "fetch('https://elsewhere.example/').then(() => 'went', () => 'stayed')";
    assert_eq!(browser.evaluate(fetched), json!("stayed"));
    browser.shoot("harm-light");
}

#[test]
fn the_keyboard_reaches_everything_in_the_order_in_which_it_is_read() {
    let registry = Registry::start();
    images::push_many(&registry);
    let mut browser = Browser::start();
    browser.look(1200, 900, false);
    browser.open(&address(&registry, "/ui/team/app"));
    let focused = "(() => { const at = document.activeElement; return (at.textContent.trim() || at.name || at.tagName); })()";
    let visible = "(() => { const style = getComputedStyle(document.activeElement); const box = document.activeElement.getBoundingClientRect(); return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && box.left >= 0 && box.width > 0; })()";
    let mut reached = Vec::new();
    loop {
        browser.press("Tab", 9);
        let at = browser.evaluate(focused).as_str().unwrap().to_owned();
        if at.starts_with("BODY")
            || browser.evaluate("document.activeElement === document.body") == json!(true)
        {
            break;
        }
        assert_eq!(
            browser.evaluate(visible),
            json!(true),
            "the focus on {at} does not show"
        );
        if reached.is_empty() {
            browser.shoot("keyboard-light");
        }
        reached.push(at);
        assert!(reached.len() < 100, "{reached:?}");
    }
    let host = format!("Images of {}", registry.address);
    let expected = [
        "Skip to the content",
        &host,
        "All images",
        "team",
        "app",
        "q",
        "Search",
        "Tag",
        "Size",
        "Pushed",
        "latest",
        "1.10",
        "1.2",
        "1.1",
        "1.0",
        "worker",
    ];
    assert_eq!(reached, expected);
    let once: BTreeSet<&String> = reached.iter().collect();
    assert_eq!(once.len(), reached.len());
    // the skip link leads past the header, and a search needs no mouse
    browser.open(&address(&registry, "/"));
    browser.press("Tab", 9);
    browser.press("Enter", 13);
    assert_eq!(
        browser.evaluate("document.activeElement.id"),
        json!("content")
    );
    browser.press("Tab", 9);
    browser.call("Input.insertText", &json!({"text": "redis"}));
    browser.press("Enter", 13);
    let found = "new Promise((done) => { const wait = () => location.search === '?q=redis' && document.readyState === 'complete' ? done(document.querySelector('tbody').textContent) : setTimeout(wait, 50); wait(); })";
    let began = std::time::Instant::now();
    while browser.evaluate("location.search") != json!("?q=redis") {
        assert!(began.elapsed().as_secs() < 30);
    }
    assert!(
        browser
            .evaluate(found)
            .as_str()
            .unwrap()
            .contains("docker.io/library/redis")
    );
}

#[test]
fn a_command_is_selected_as_a_whole_and_copied_where_the_browser_lets_it() {
    let registry = Registry::start();
    images::push(&registry, "team/app", "1", &images::Image::default());
    let mut browser = Browser::start();
    browser.open(&address(&registry, "/ui/team/app/_/1"));
    let command = format!("docker pull {}/team/app:1", registry.address);
    let selected = "(() => { const field = document.querySelector('#by-tag'); field.focus(); return field.value.slice(field.selectionStart, field.selectionEnd); })()";
    assert_eq!(browser.evaluate(selected), json!(command));
    // 127.0.0.1 is a secure context, as https is
    let label =
        browser.evaluate("document.querySelector('.command button').getAttribute('aria-label')");
    assert_eq!(label, json!(format!("Copy: {command}")));
    let copied = "new Promise((done) => { const button = document.querySelector('.command button'); button.click(); const wait = () => button.textContent === 'Copy' ? setTimeout(wait, 20) : done(button.textContent); wait(); })";
    let said = browser.evaluate(copied);
    assert!(
        said == json!("Copied") || said == json!("Press Ctrl+C"),
        "{said}"
    );
}

#[test]
fn one_who_may_look_without_a_login_can_log_in_and_stays_so() {
    let registry = Registry::with(json!({
        "users": [{"name": "ci", "password": "hunter2", "grants": [{"rights": ["pull", "push"]}]}],
        "anonymous": [{"repositories": "public", "rights": ["pull"]}],
    }));
    images::push(&registry, "team/app", "1", &images::Image::default());
    let mut browser = Browser::start();
    let without = format!("http://{}", registry.address);
    browser.open(&format!("{without}/"));
    let login = "document.querySelector('.login').textContent";
    assert_eq!(browser.evaluate(login), json!("Log in"));
    assert_eq!(
        browser.evaluate("document.querySelector('.login a').pathname"),
        json!("/login")
    );
    browser.open(&address(&registry, "/login"));
    for path in ["/", "/ui/team/app", "/ui/team/app/_/1"] {
        browser.open(&format!("{without}{path}"));
        assert_eq!(browser.evaluate(login), json!("Logged in as ci"), "{path}");
    }
}
