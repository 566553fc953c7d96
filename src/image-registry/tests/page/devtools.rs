//! A browser that a test drives: Chromium's `DevTools` protocol over pipes, one document a message, each ended by a NUL.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a browser may take for anything, on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(2);

/// A browser with one page.
pub struct Browser {
    child: Child,
    to: File,
    from: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// Addresses that were asked for since it began.
    pub requested: Vec<String>,
    _directory: TempDir,
}

impl Browser {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["to", "from"] {
            let made = Command::new("mkfifo").arg(path(name)).status().unwrap();
            assert!(made.success());
        }
        // the browser reads its descriptor 3 and writes to 4
        let child = Command::new("sh")
            .arg("-c")
            .arg("exec chromium \"$@\" 3<\"$0/to\" 4>\"$0/from\"")
            .arg(directory.path())
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .args([
                "--disable-sync",
                "--no-proxy-server",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", path("profile").display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = File::options().write(true).open(path("to")).unwrap();
        let reader = BufReader::new(File::open(path("from")).unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            for message in reader.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).unwrap();
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            child,
            to,
            from,
            session: None,
            last: 0,
            requested: Vec::new(),
            _directory: directory,
        };
        let targets = browser.call("Target.getTargets", &json!({}));
        let targets = targets["targetInfos"].as_array().unwrap();
        let page = targets
            .iter()
            .find(|target| target["type"] == "page")
            .unwrap();
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        browser.call(
            "Emulation.setFocusEmulationEnabled",
            &json!({"enabled": true}),
        );
        for domain in ["Page.enable", "Network.enable", "Runtime.enable"] {
            browser.call(domain, &json!({}));
        }
        browser
    }

    /// What comes next.
    fn next(&mut self) -> Value {
        let message = self.from.recv_timeout(PATIENCE).unwrap_or_else(|error| {
            panic!("the browser says nothing ({error}): is the package chromium there? ci/setup installs it")
        });
        if message["method"] == "Network.requestWillBeSent" {
            let url = message["params"]["request"]["url"].as_str().unwrap();
            self.requested.push(url.to_owned());
        }
        message
    }

    /// Calls a method of the protocol.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(message.to_string().as_bytes()).unwrap();
        self.to.write_all(&[0]).unwrap();
        loop {
            let answer = self.next();
            if answer["id"] == id {
                assert_eq!(answer["error"], Value::Null, "{method}");
                return answer["result"].clone();
            }
        }
    }

    /// Shows what is at an address, until all of it is there.
    pub fn open(&mut self, address: &str) {
        let opened = self.call("Page.navigate", &json!({"url": address}));
        assert_eq!(opened["errorText"], Value::Null, "{address}");
        while self.next()["method"] != "Page.loadEventFired" {}
    }

    /// The window's size, as a phone or a desktop has it, and whether its owner likes it dark.
    pub fn look(&mut self, width: u32, height: u32, is_dark: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if is_dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &media);
    }

    /// What an expression comes to in the page.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &asked);
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].clone()
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && key == "Enter" {
                event["text"] = json!("\r");
            }
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// Leaves a picture of the whole page for people, where `CONTAINERS_TEST_SCREENSHOTS` says.
    pub fn shoot(&mut self, name: &str) {
        let picture = self.call(
            "Page.captureScreenshot",
            &json!({"captureBeyondViewport": true}),
        );
        let picture = picture["data"].as_str().unwrap();
        let picture = base64::engine::general_purpose::STANDARD
            .decode(picture)
            .unwrap();
        assert!(picture.starts_with(b"\x89PNG"));
        if let Some(directory) = std::env::var_os("CONTAINERS_TEST_SCREENSHOTS") {
            let file = std::path::Path::new(&directory).join(format!("{name}.png"));
            std::fs::write(file, picture).unwrap();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
