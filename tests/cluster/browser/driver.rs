//! Chromium without a window, told what to do by ChromeDriver (W3C WebDriver,
//! <https://www.w3.org/TR/webdriver2/>).

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::deadline::wait_for;
use crate::common::program::Process;
use crate::http;
use crate::ports::free_address;

/// The key under which an answer names an element (WebDriver section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with a profile that nobody has used.
pub struct Driver {
    address: SocketAddr,
    session: String,
    folder: TempDir,
    _process: Process,
}

impl Driver {
    #[track_caller]
    pub fn start() -> Driver {
        let folder = tempfile::Builder::new().prefix("pollux-browser-").tempdir();
        let folder = folder.expect("a folder can be made");
        let address = free_address();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={}", address.port()));
        command.env("HOME", folder.path());
        let process = Process::start(&mut command, &folder.path().join("log"));
        let mut driver = Driver {
            address,
            session: String::new(),
            folder,
            _process: process,
        };
        wait_for("ChromeDriver", || {
            let answer = http::ask(address, "GET /status", "", "").ok()?;
            answer.body.contains("\"ready\":true").then_some(())
        });
        let profile = driver.folder.path().join("profile");
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ];
        let profile = format!("--user-data-dir={}", profile.display());
        let arguments: Vec<&str> = arguments.into_iter().chain([profile.as_str()]).collect();
        let options = json!({ "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
        } } });
        let made = driver.ask("POST", "/session", &wanted);
        let session = made["sessionId"].as_str().expect("a session");
        driver.session = session.to_owned();
        driver
    }

    #[track_caller]
    pub fn goes_to(&self, url: &str) {
        self.told("POST", "/url", &json!({ "url": url }));
    }

    /// Types into a field.
    #[track_caller]
    pub fn types(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        let path = format!("/element/{element}/value");
        self.told("POST", &path, &json!({ "text": text }));
    }

    #[track_caller]
    pub fn clicks(&self, selector: &str) {
        let element = self.element(selector);
        self.told("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Puts a cookie there, as somebody might who has the browser for a moment.
    #[track_caller]
    pub fn plants_cookie(&self, name: &str, value: &str) {
        let cookie = json!({ "name": name, "value": value, "path": "/", "secure": true });
        self.told("POST", "/cookie", &json!({ "cookie": cookie }));
    }

    /// One that the browser has, also where no script may see it.
    #[track_caller]
    pub fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.told("GET", "/cookie", &Value::Null);
        let all = cookies.as_array().cloned().unwrap_or_default();
        let found = all.iter().find(|cookie| cookie["name"] == name)?;
        Some(found["value"].as_str()?.to_owned())
    }

    /// What a script returns.
    #[track_caller]
    pub fn evaluates(&self, script: &str) -> Value {
        let script = json!({ "script": script, "args": [] });
        self.told("POST", "/execute/sync", &script)
    }

    /// What can be read on the page.
    #[track_caller]
    pub fn text(&self) -> String {
        let text = self.evaluates("return document.body.innerText");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// What can be read in one part of it; nothing where it is not there.
    #[track_caller]
    pub fn text_of(&self, selector: &str) -> String {
        let script = format!("return document.querySelector('{selector}')?.innerText");
        let text = self.evaluates(&script);
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until this can be read there.
    #[track_caller]
    pub fn shows(&self, words: &str) {
        wait_for(&format!("{words:?} on the page"), || {
            self.text().contains(words).then_some(())
        });
    }

    #[track_caller]
    pub fn resizes(&self, width: u32, height: u32) {
        let metrics = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        } });
        self.told("POST", "/goog/cdp/execute", &metrics);
    }

    #[track_caller]
    pub fn likes(&self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        let media = json!({ "cmd": "Emulation.setEmulatedMedia", "params": {
            "features": [feature],
        } });
        self.told("POST", "/goog/cdp/execute", &media);
    }

    /// A picture of the page, as PNG.
    #[track_caller]
    pub fn pictures(&self, path: &Path) {
        let picture = self.told("GET", "/screenshot", &Value::Null);
        let bytes = STANDARD.decode(picture.as_str().expect("a picture"));
        fs::write(path, bytes.expect("base64")).expect("a file can be written");
    }

    /// What the browser has complained of: what a policy forbade, what was not found, what a script
    /// stumbled over.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let log = self.told("POST", "/se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().cloned().unwrap_or_default();
        let messages = entries.iter().map(|entry| entry["message"].to_string());
        messages.collect()
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.told("POST", "/element", &wanted);
        let element = found[ELEMENT].as_str();
        element
            .unwrap_or_else(|| panic!("no {selector}: {}", self.text()))
            .to_owned()
    }

    /// Of this session; the answer's value.
    #[track_caller]
    fn told(&self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, &format!("/session/{}{path}", self.session), body)
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let headers = "Content-Type: application/json\r\n";
        let answer = http::ask(self.address, &format!("{method} {path}"), headers, &body);
        let answer = answer.expect("ChromeDriver answers");
        let mut value: Value = serde_json::from_str(&answer.body).expect("JSON");
        let value = value["value"].take();
        assert!(
            answer.status == 200,
            "{method} {path}: {}",
            value["message"]
        );
        value
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let quit = format!("DELETE /session/{}", self.session);
            let _gone = http::ask(self.address, &quit, "", "");
        }
    }
}
