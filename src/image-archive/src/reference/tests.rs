use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn normal(text: &str) -> String {
    text.parse::<Reference>().unwrap().to_string()
}

#[test]
fn completes_references_as_docker_does() {
    for (text, expected) in [
        ("redis", "docker.io/library/redis:latest"),
        ("redis:7.2", "docker.io/library/redis:7.2"),
        ("library/redis", "docker.io/library/redis:latest"),
        ("docker.io/redis", "docker.io/library/redis:latest"),
        ("index.docker.io/redis", "docker.io/library/redis:latest"),
        ("huntprod/vault:1", "docker.io/huntprod/vault:1"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x:y", "localhost:5000/x:y"),
        ("registry.example/a/b/c:1", "registry.example/a/b/c:1"),
        ("UPPER/x", "UPPER/x:latest"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        ("a__b/c--d/e.f", "docker.io/a__b/c--d/e.f:latest"),
        ("foo/bar:_x-1.A", "docker.io/foo/bar:_x-1.A"),
    ] {
        assert_eq!(normal(text), expected);
    }
}

#[test]
fn keeps_digests_without_adding_a_tag() {
    assert_eq!(
        normal(&format!("redis@{DIGEST}")),
        format!("docker.io/library/redis@{DIGEST}")
    );
    assert_eq!(
        normal(&format!("redis:7@{DIGEST}")),
        format!("docker.io/library/redis:7@{DIGEST}")
    );
    let both: Reference = format!("redis:7@{DIGEST}").parse().unwrap();
    assert_eq!(both.tagged().unwrap().familiar(), "redis:7");
    assert_eq!(
        both.digested().unwrap().familiar(),
        format!("redis@{DIGEST}")
    );
}

#[test]
fn shortens_references_as_docker_does() {
    for text in ["redis:7", "a/b:1", "quay.io/a/b:1", "localhost:5000/x:1"] {
        assert_eq!(text.parse::<Reference>().unwrap().familiar(), text);
    }
}

#[test]
fn refuses_what_docker_refuses() {
    let hex = &DIGEST[7..];
    let long_tag = format!("a:{}", "x".repeat(129));
    let long_name = "a/".repeat(130) + "a";
    for text in [
        "",
        ":",
        "@",
        "/",
        "a/",
        "/a",
        "a//b",
        "Redis",
        "a:",
        "a:-x",
        "a:.x",
        "a:b:c",
        "a@b",
        "a..b",
        "a___b",
        "-a",
        "a-",
        "a_",
        ".a",
        "a b",
        "a\n",
        "ä",
        "a:ü",
        "x.y:/a",
        "x.y:p/a",
        "-x.y/a",
        "[::1/x",
        "[]/x",
        "a@sha256:00",
        "https://docker.io/a",
        hex,
        &long_tag,
        &long_name,
    ] {
        assert!(text.parse::<Reference>().is_err(), "{text}");
    }
}

#[test]
fn docker_hub_is_named_where_its_repository_could_pass_for_another_registrys() {
    for (text, familiar) in [
        (
            "docker.io/index.docker.io/redis",
            "docker.io/index.docker.io/redis:latest",
        ),
        ("docker.io/localhost/a", "docker.io/localhost/a:latest"),
        ("docker.io/quay.io/a/b:1", "docker.io/quay.io/a/b:1"),
        ("docker.io/library/quay.io", "quay.io:latest"),
        ("docker.io/bitnami/redis", "bitnami/redis:latest"),
    ] {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.familiar(), familiar);
        assert_eq!(familiar.parse::<Reference>().unwrap(), reference);
    }
}
