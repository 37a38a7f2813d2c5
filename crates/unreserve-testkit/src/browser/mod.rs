//! A real browser without a window: Debian's Chromium, told what to do over the DevTools protocol.

mod pipe;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::servers::find_chromium;
use pipe::Pipe;

/// What a page is waited for, in the page's own milliseconds.
const PATIENCE_MS: u32 = 20_000;

/// How long one answer of the browser's is waited for, on a busy machine.
const ANSWER: Duration = Duration::from_secs(60);

/// The accessibility checks of axe-core, as their makers hand them out.
const AXE: &str = include_str!("../../vendor/axe-core/axe.min.js");

/// Why a browser could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrowserError {
    /// It is not installed.
    #[error(
        "no Chromium was found on PATH; on Debian or Ubuntu: \
         sudo apt-get update && sudo apt-get install -y --no-install-recommends chromium"
    )]
    NotFound,
    /// It could not be started, or spoken to.
    #[error("cannot {action} the browser")]
    Process {
        /// What was tried.
        action: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It ended, or did not answer in time.
    #[error("the browser did not answer `{0}`")]
    Silent(String),
    /// It refused a command, or a script failed.
    #[error("the browser refused `{command}`: {answer}")]
    Refused {
        /// What it was told.
        command: String,
        /// What it said.
        answer: String,
    },
    /// What was waited for did not happen.
    #[error("waited in vain until {what}; the page shows: {shown}")]
    InVain {
        /// What was waited for.
        what: String,
        /// The beginning of the page's text.
        shown: String,
    },
}

/// A request that a page made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where it went.
    pub url: String,
    /// What came over the wire, in bytes, once it was there: 0 where it came from the browser's own store.
    pub bytes: u64,
}

/// One browser with one page. It ends with this value, and with the process that holds it, however that ends.
#[derive(Debug)]
pub struct Browser {
    pipe: Pipe,
    session: String,
    requests: Vec<(String, Request)>,
    complaints: Vec<String>,
    /// Whether the page that was asked for last is there.
    loaded: bool,
}

impl Browser {
    /// Starts it, with an empty page and nothing remembered.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub fn start() -> Result<Self, BrowserError> {
        let mut browser = Self {
            pipe: Pipe::start(&find_chromium().map_err(|_| BrowserError::NotFound)?)?,
            session: String::new(),
            requests: Vec::new(),
            complaints: Vec::new(),
            loaded: false,
        };
        let target = browser.tell("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": at(&target, "/targetId"), "flatten": true });
        let attached = browser.tell("Target.attachToTarget", &attach)?;
        browser.session = at(&attached, "/sessionId").as_str().unwrap_or_default().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.tell(&format!("{domain}.enable"), &json!({}))?;
        }
        // A page that nobody looks at keeps still.
        browser.tell("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }))?;
        browser.resize(1_280, 900)?;
        Ok(browser)
    }

    /// Goes to an address, and waits until the page with all its scripts is there.
    ///
    /// # Errors
    /// Nobody answers there.
    pub fn open(&mut self, url: &str) -> Result<(), BrowserError> {
        self.loaded = false;
        let answer = self.tell("Page.navigate", &json!({ "url": url }))?;
        if let Some(error) = at(&answer, "/errorText").as_str() {
            return Err(BrowserError::Refused { command: format!("open {url}"), answer: error.to_owned() });
        }
        while !self.loaded {
            let Some(message) = self.pipe.next(ANSWER) else {
                return Err(BrowserError::Silent(format!("open {url}")));
            };
            self.hear(&message);
        }
        Ok(())
    }

    /// How wide and high the page is, in pixels of its own; up to 600 it is a phone.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn resize(&mut self, width: u32, height: u32) -> Result<(), BrowserError> {
        let phone = width <= 600;
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": if phone { 2 } else { 1 }, "mobile": phone,
        });
        self.tell("Emulation.setDeviceMetricsOverride", &metrics).map(drop)
    }

    /// Whether the system is dark.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn prefer(&mut self, theme: &str) -> Result<(), BrowserError> {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.tell("Emulation.setEmulatedMedia", &media).map(drop)
    }

    /// Runs no script of a page any more, or runs them again.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn run_scripts(&mut self, scripts: Scripts) -> Result<(), BrowserError> {
        let off = json!({ "value": scripts == Scripts::Off });
        self.tell("Emulation.setScriptExecutionDisabled", &off).map(drop)
    }

    /// The value of an expression in the page; a promise is waited for.
    ///
    /// # Errors
    /// The expression throws.
    pub fn value(&mut self, expression: &str) -> Result<Value, BrowserError> {
        let asked = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.tell("Runtime.evaluate", &asked)?;
        match answer.get("exceptionDetails") {
            Some(error) => Err(BrowserError::Refused { command: expression.to_owned(), answer: error.to_string() }),
            None => Ok(at(&answer, "/result/value").clone()),
        }
    }

    /// The value of an expression in the page, as text.
    ///
    /// # Errors
    /// The expression throws.
    pub fn text(&mut self, expression: &str) -> Result<String, BrowserError> {
        Ok(match self.value(expression)? {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }

    /// Waits until an expression holds in the page.
    ///
    /// # Errors
    /// It does not within about twenty seconds.
    pub fn until(&mut self, what: &str, expression: &str) -> Result<(), BrowserError> {
        let look = format!(
            "new Promise((done) => {{ const end = performance.now() + {PATIENCE_MS}; const look = () => {{ \
             let holds = false; try {{ holds = Boolean({expression}); }} catch {{}} \
             if (holds) done(true); else if (performance.now() > end) done(false); else setTimeout(look, 15); }}; look(); }})"
        );
        // A page that is left takes its promises with it: then the next page is looked at.
        for _ in 0..4 {
            match self.value(&look) {
                Ok(Value::Bool(true)) => return Ok(()),
                Ok(_) => break,
                Err(BrowserError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let shown = self.text("document.body.innerText.slice(0, 600)").unwrap_or_default();
        Err(BrowserError::InVain { what: what.to_owned(), shown })
    }

    /// Presses a key, as a person would.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn press(&mut self, key: &str) -> Result<(), BrowserError> {
        let (code, text) = match key {
            "Enter" => (13, Some("\r")),
            "Tab" => (9, None),
            _ => (0, None),
        };
        let mut down = json!({ "type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code });
        if let (Some(text), Some(down)) = (text, down.as_object_mut()) {
            down.insert("text".to_owned(), json!(text));
        }
        self.tell("Input.dispatchKeyEvent", &down)?;
        let up = json!({ "type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code });
        self.tell("Input.dispatchKeyEvent", &up).map(drop)
    }

    /// Types into whatever has the focus.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn type_in(&mut self, text: &str) -> Result<(), BrowserError> {
        self.tell("Input.insertText", &json!({ "text": text })).map(drop)
    }

    /// What can be seen right now, as a PNG.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn picture(&mut self) -> Result<Vec<u8>, BrowserError> {
        let answer = self.tell("Page.captureScreenshot", &json!({ "format": "png" }))?;
        let data = at(&answer, "/data").as_str().unwrap_or_default();
        STANDARD.decode(data).map_err(|error| BrowserError::Refused {
            command: "Page.captureScreenshot".to_owned(),
            answer: error.to_string(),
        })
    }

    /// What axe finds wrong with the page for those who cannot see, hear or point well, if it is serious: a line each.
    ///
    /// # Errors
    /// The checks cannot run.
    pub fn accessibility(&mut self) -> Result<Vec<String>, BrowserError> {
        if self.value("typeof axe === 'undefined'")? == Value::Bool(true) {
            self.value(&format!("{AXE}; true"))?;
        }
        let found = self.value(
            "axe.run(document, { resultTypes: ['violations'] }).then((all) => all.violations\
             .filter((one) => ['serious', 'critical'].includes(one.impact))\
             .map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + ' ' + node.failureSummary).join(' | ')}`))",
        )?;
        let lines = found.as_array().into_iter().flatten();
        Ok(lines.filter_map(|line| line.as_str().map(str::to_owned)).collect())
    }

    /// Every request since this was asked last.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn requests(&mut self) -> Result<Vec<Request>, BrowserError> {
        self.value("true")?;
        Ok(self.requests.drain(..).map(|(_, request)| request).collect())
    }

    /// What pages complained of since this was asked last: errors on the console, scripts that failed, what a policy refused.
    ///
    /// # Errors
    /// The browser does not answer.
    pub fn complaints(&mut self) -> Result<Vec<String>, BrowserError> {
        self.value("true")?;
        Ok(std::mem::take(&mut self.complaints))
    }

    fn tell(&mut self, command: &str, parameters: &Value) -> Result<Value, BrowserError> {
        let id = self.pipe.send(command, parameters, &self.session)?;
        loop {
            let Some(message) = self.pipe.next(ANSWER) else {
                return Err(BrowserError::Silent(command.to_owned()));
            };
            if at(&message, "/id").as_u64() != Some(id) {
                self.hear(&message);
                continue;
            }
            return match message.get("error") {
                Some(error) => Err(BrowserError::Refused { command: command.to_owned(), answer: error.to_string() }),
                None => Ok(at(&message, "/result").clone()),
            };
        }
    }

    /// Notes what the page does by itself.
    fn hear(&mut self, message: &Value) {
        let parameters = at(message, "/params");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match at(message, "/method").as_str().unwrap_or_default() {
            "Page.loadEventFired" => self.loaded = true,
            "Network.requestWillBeSent" => {
                let request = Request { url: text(at(parameters, "/request/url")), bytes: 0 };
                self.requests.push((text(at(parameters, "/requestId")), request));
            }
            "Network.loadingFinished" => {
                let id = text(at(parameters, "/requestId"));
                let bytes = at(parameters, "/encodedDataLength").to_string();
                let bytes = bytes.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(0);
                if let Some((_, request)) = self.requests.iter_mut().rev().find(|(known, _)| *known == id) {
                    request.bytes = bytes;
                }
            }
            "Runtime.exceptionThrown" => self.complaints.push(at(parameters, "/exceptionDetails").to_string()),
            "Runtime.consoleAPICalled"
                if matches!(at(parameters, "/type").as_str(), Some("error" | "warning" | "assert")) =>
            {
                self.complaints.push(at(parameters, "/args").to_string());
            }
            "Log.entryAdded" if matches!(at(parameters, "/entry/level").as_str(), Some("error" | "warning")) => {
                self.complaints.push(format!(
                    "{} {}",
                    text(at(parameters, "/entry/text")),
                    text(at(parameters, "/entry/url"))
                ));
            }
            _ => {}
        }
    }
}

/// A part of a message; null where there is none.
fn at<'a>(message: &'a Value, path: &str) -> &'a Value {
    static NOTHING: Value = Value::Null;
    message.pointer(path).unwrap_or(&NOTHING)
}

/// Whether a page's scripts run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    /// They do.
    On,
    /// They do not.
    Off,
}
