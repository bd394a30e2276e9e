//! A real Chromium, steered by its driver as a person would use it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::elements::Element;
pub use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, TimeoutConfiguration};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::environment::tool;
use crate::free_address::on_a_free_address;
use crate::process::Process;

/// A browser needs more than a program that only answers: it starts several.
const ARGUMENTS: [&str; 5] = [
    "--headless",
    // Of root, and of containers, the sandbox asks what they may not do.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    // For pictures.
    "--hide-scrollbars",
];
/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser with one page.
pub struct Browser {
    page: Client,
    driver: String,
    base: String,
    _process: Process,
    _directory: TempDir,
}

impl Browser {
    /// Starts one that opens paths below a base URL.
    ///
    /// # Errors
    /// If there is no Chromium, or it does not start.
    pub async fn start(base: &str) -> Result<Self> {
        on_a_free_address(async |listen| Self::start_on(listen, base).await).await
    }

    async fn start_on(listen: &str, base: &str) -> Result<Self> {
        let directory = TempDir::new()?;
        let port = listen.rsplit_once(':').context("an address with a port")?.1;
        let mut command = Command::new(tool("COUNTERSIGN_TEST_CHROMEDRIVER")?);
        // It keeps what it downloads and remembers below these.
        command.arg(format!("--port={port}")).env("HOME", directory.path());
        command.env("TMPDIR", directory.path());
        let mut process = Process::start(&mut command, &directory.path().join("log"))?;
        let driver = format!("http://{listen}");
        let status = format!("{driver}/status");
        process.ready(async || reqwest::get(&status).await.ok()).await?;
        let options = json!({
            "binary": tool("COUNTERSIGN_TEST_CHROMIUM")?,
            "args": ARGUMENTS,
        });
        let mut wanted = Capabilities::new();
        wanted.insert("goog:chromeOptions".to_owned(), options);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connected = builder.capabilities(wanted).connect(&driver).await;
        let page = connected.with_context(|| format!("no browser: {}", process.output()))?;
        let patience = TimeoutConfiguration::new(None, Some(PATIENCE), Some(Duration::ZERO));
        page.update_timeouts(patience).await?;
        let base = base.to_owned();
        Ok(Self { page, driver, base, _process: process, _directory: directory })
    }

    /// Ends it. One that is only dropped ends with its driver.
    ///
    /// # Errors
    /// If the driver does not answer.
    pub async fn close(self) -> Result<()> {
        Ok(self.page.close().await?)
    }

    /// Opens a URL.
    ///
    /// # Errors
    /// If the browser cannot.
    pub async fn open(&self, url: &str) -> Result<()> {
        Ok(self.page.goto(url).await?)
    }

    /// Opens a path.
    ///
    /// # Errors
    /// If the browser cannot.
    pub async fn visit(&self, path: &str) -> Result<()> {
        self.open(&format!("{}{path}", self.base)).await
    }

    /// The path and query of the page.
    ///
    /// # Errors
    /// If the browser does not say.
    pub async fn path(&self) -> Result<String> {
        let url = self.page.current_url().await?.to_string();
        Ok(url.strip_prefix(&self.base).unwrap_or(&url).to_owned())
    }

    /// What a person reads on the page.
    ///
    /// # Errors
    /// If the browser does not say.
    pub async fn text(&self) -> Result<String> {
        Ok(self.page.find(Locator::Css("body")).await?.text().await?)
    }

    /// Waits until a person reads this on the page.
    ///
    /// # Errors
    /// If it does not appear; the error holds what does.
    pub async fn reads(&self, text: &str) -> Result<()> {
        let appears = async {
            // While a page is being exchanged for the next one there is nothing to read.
            while !self.text().await.is_ok_and(|found| found.contains(text)) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, appears).await.is_err() {
            bail!("{}: no `{text}` in\n{}", self.path().await?, self.text().await?);
        }
        Ok(())
    }

    /// The first element that a selector fits.
    ///
    /// # Errors
    /// If there is none.
    pub async fn find(&self, selector: &str) -> Result<Element> {
        let found = self.page.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        found.with_context(|| format!("no `{selector}`"))
    }

    /// Whether a selector fits anything.
    ///
    /// # Errors
    /// If the browser does not say.
    pub async fn has(&self, selector: &str) -> Result<bool> {
        Ok(!self.page.find_all(Locator::Css(selector)).await?.is_empty())
    }

    /// Writes into the field with this label.
    ///
    /// # Errors
    /// If there is none.
    pub async fn fill(&self, label: &str, text: &str) -> Result<()> {
        let field = self.labelled(label).await?;
        if field.tag_name().await? != "select"
            && field.attr("type").await?.as_deref() != Some("file")
        {
            field.clear().await?;
        }
        Ok(field.send_keys(text).await?)
    }

    /// The field with this label, or one that begins so.
    async fn labelled(&self, label: &str) -> Result<Element> {
        let (text, label_is) = ("normalize-space(.)", quoted(label));
        let exact = format!("//label[{text} = {label_is}]");
        let xpath = format!(
            "//*[@id = {exact}/@for or (not({exact}) and @id = //label[starts-with({text}, {label_is})]/@for)]"
        );
        let found = self.page.wait().at_most(PATIENCE).for_element(Locator::XPath(&xpath)).await;
        found.with_context(|| format!("no field labelled `{label}`"))
    }

    /// Presses a key of the keyboard, wherever the focus is.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn key(&self, key: Key) -> Result<()> {
        self.strike(key.into()).await
    }

    /// Types, wherever the focus is.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn type_in(&self, text: &str) -> Result<()> {
        for character in text.chars() {
            self.strike(character).await?;
        }
        Ok(())
    }

    /// Not sent to an element: a field for files would take a key for a path.
    async fn strike(&self, value: char) -> Result<()> {
        let down_and_up = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value })
            .then(KeyAction::Up { value });
        Ok(self.page.perform_actions(down_and_up).await?)
    }

    /// Chooses an option of the field with this label.
    ///
    /// # Errors
    /// If there is none.
    pub async fn choose(&self, label: &str, option: &str) -> Result<()> {
        Ok(self.labelled(label).await?.select_by_label(option).await?)
    }

    /// Presses what is called so: a button, a link, or what unfolds.
    ///
    /// # Errors
    /// If there is nothing of that name to press.
    pub async fn press(&self, name: &str) -> Result<()> {
        let name = quoted(name);
        let xpath =
            format!("(//button | //a | //summary)[starts-with(normalize-space(.), {name})]");
        let found = self.page.wait().at_most(PATIENCE).for_element(Locator::XPath(&xpath)).await;
        let element = found.with_context(|| format!("nothing to press called {name}"))?;
        Ok(element.click().await?)
    }

    /// What a script in the page gives back.
    ///
    /// # Errors
    /// If it throws.
    pub async fn script(&self, script: &str) -> Result<Value> {
        Ok(self.page.execute(script, Vec::new()).await?)
    }

    /// The cookie of this name, as the browser keeps it.
    ///
    /// # Errors
    /// If there is none.
    pub async fn cookie(&self, name: &str) -> Result<Value> {
        let cookies = self.devtools("Network.getCookies", json!({})).await?;
        let cookies = cookies["cookies"].as_array().context("no cookies")?;
        let found = cookies.iter().find(|cookie| cookie["name"] == name);
        found.cloned().with_context(|| format!("no cookie `{name}` among {cookies:?}"))
    }

    /// Does what a page cannot, and what the driver's protocol has no word for.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        let session = self.page.session_id().await?.context("no session")?;
        let url = format!("{}/session/{session}/goog/cdp/execute", self.driver);
        let body = json!({ "cmd": command, "params": parameters }).to_string();
        let answer = reqwest::Client::new().post(url).body(body).send().await?;
        let answer: Value = serde_json::from_str(&answer.text().await?)?;
        ensure!(answer["value"]["error"].is_null(), "{command}: {answer}");
        Ok(answer["value"].clone())
    }

    /// Writes a picture of the whole page.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn picture(&self, file: &Path) -> Result<()> {
        use base64::Engine as _;
        let parameters = json!({ "captureBeyondViewport": true });
        let shot = self.devtools("Page.captureScreenshot", parameters).await?;
        let data = shot["data"].as_str().context("no picture")?;
        let png = base64::engine::general_purpose::STANDARD.decode(data)?;
        Ok(std::fs::write(file, png)?)
    }
}

/// A text in an `XPath` of version 1.0, which knows no escapes.
fn quoted(text: &str) -> String {
    format!("concat('{}', '')", text.replace('\'', "', \"'\", '"))
}
