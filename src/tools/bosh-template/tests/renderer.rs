//! What the vectors do not show: several templates at once, files, lines, secrets, an unfit Ruby.

#![allow(clippy::panic, reason = "a helper that cannot go on fails the test")]

use std::fs;
use std::path::Path;

use bosh_template::{RenderError, Renderer, TemplateError};
use serde_json::json;
use tempfile::TempDir;

fn errors(context: &serde_json::Value, templates: &[(&str, &str)]) -> Vec<TemplateError> {
    match Renderer::new().and_then(|renderer| renderer.render(context, templates)) {
        Err(RenderError::Templates(errors)) => errors,
        other => panic!("errors of templates are expected, not {other:?}"),
    }
}

#[test]
fn renders_many_templates_and_keeps_what_one_changes_from_the_next() {
    let context = json!({"name": "web", "properties": {"list": [1]}});
    let template = "<% raw_properties['list'] << 2; @seen = true %><%= p('list').length %>";
    let outputs = Renderer::new().unwrap().render(
        &context,
        &[
            ("a", template),
            ("b", template),
            ("c", "<%= @seen.inspect %>"),
        ],
    );
    assert_eq!(outputs.unwrap(), ["2", "2", "nil"]);
}

#[test]
fn keeps_the_order_of_keys() {
    let context: serde_json::Value =
        serde_json::from_str(r#"{"properties": {"z": 1, "a": {"y": 2, "b": 3}}}"#).unwrap();
    let outputs = Renderer::new()
        .unwrap()
        .render(&context, &[("a", "<%= raw_properties.to_json %>")])
        .unwrap();
    assert_eq!(outputs, [r#"{"z":1,"a":{"y":2,"b":3}}"#]);
}

#[test]
fn tells_the_template_and_line_of_every_error() {
    let errors = errors(
        &json!({"properties": {}}),
        &[
            ("bin/a.erb", "x\n<%= p('zz') %>"),
            ("bin/b.erb", "fine"),
            ("bin/c.erb", "\n\n<% if %>\n"),
            ("d.erb", "<% def f\n raise 'x'\nend %>\n<% f %>"),
        ],
    );
    let found: Vec<_> = errors
        .iter()
        .map(|error| (error.name.as_str(), error.line, error.class.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (
                "bin/a.erb",
                Some(2),
                "Bosh::Common::Template::UnknownProperty"
            ),
            ("bin/c.erb", Some(3), "SyntaxError"),
            ("d.erb", Some(2), "RuntimeError"),
        ]
    );
    let message = RenderError::Templates(errors).to_string();
    assert!(
        message.starts_with(
            "Error filling in template 'bin/a.erb' (line 2: Can't find property '[\"zz\"]')\n"
        ),
        "{message}"
    );
}

#[test]
fn shows_no_property_in_the_message_of_an_error() {
    let context = json!({"properties": {"pw": "s3cret", "h": {"pw": "s3cret"}, "l": ["s3cret"]}, "links": {"db": {"instances": [], "properties": {"pw": "s3cret"}}}});
    let templates = [
        "<%= nope %>",
        "<%= nope() %>",
        "<%= p('pw').nope %>",
        "<%= p('h').nope %>",
        "<%= p('l').nope %>",
        "<%= properties.nope(1) %>",
        "<%= spec.properties.nope(1) %>",
        "<%= link('db').nope %>",
        "<%= self.nope %>",
        "<%= properties.h.nope!(1) %>",
    ];
    for template in templates {
        for error in errors(&context, &[("a", template)]) {
            assert!(
                !error.message.contains("s3cret"),
                "{template}: {}",
                error.message
            );
        }
    }
}

#[test]
fn takes_what_a_template_prints_as_no_answer() {
    let outputs = Renderer::new().unwrap().render(
        &json!({}),
        &[(
            "a",
            "a<% puts 'noise'; $stdout.flush; system('echo noise') %>b",
        )],
    );
    assert_eq!(outputs.unwrap(), ["ab"]);
}

#[test]
fn renders_a_large_context_and_output() {
    let text = "ä".repeat(2_000_000);
    let outputs = Renderer::new()
        .unwrap()
        .render(
            &json!({"properties": {"t": text}}),
            &[("a", "<%= p('t') %>")],
        )
        .unwrap();
    assert!(outputs == [text]);
}

#[test]
fn renders_a_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a.erb");
    fs::write(&path, "<%= name %>\n").unwrap();
    assert_eq!(
        Renderer::new()
            .unwrap()
            .render_file(&json!({"name": "web"}), &path)
            .unwrap(),
        "web\n"
    );
    let missing = Renderer::new()
        .unwrap()
        .render_file(&json!({}), Path::new("/none.erb"))
        .unwrap_err();
    assert_eq!(missing.to_string(), "reading template /none.erb");
}

#[test]
fn says_so_when_ruby_is_missing_unfit_or_dies() {
    let missing = Renderer::with_ruby(Path::new("/none/ruby")).unwrap_err();
    assert!(matches!(missing, RenderError::RubyMissing(_)));
    assert!(matches!(
        Renderer::with_ruby(Path::new("/bin/false")),
        Err(RenderError::RubyUnfit(_))
    ));
    let died = Renderer::new()
        .unwrap()
        .render(&json!({}), &[("a", "<% $stderr.puts 'why'; exit!(5) %>")])
        .unwrap_err();
    assert_eq!(
        died.to_string(),
        "ruby ended with exit status: 5 before it had rendered the templates: why"
    );
}
