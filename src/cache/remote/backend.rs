//! One shared store: objects by name, over any of the supported protocols.

use super::credentials;
use crate::base::error::{Class, Error, Result};
use crate::cache::settings::Mode;
use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Name;
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt, PutMode, RetryConfig,
};
use reqwest::{header, Client, StatusCode, Url};
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const AGENT: &str = concat!("precast/", env!("CARGO_PKG_VERSION"));

/// A server that fails is asked again this often.
const RETRIES: usize = 2;

/// Where no deadline counts, a server that says nothing for this long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);

pub(super) struct Backend {
    /// As the user wrote it, without a password.
    pub(super) url: String,
    kind: Kind,
}

enum Kind {
    Objects {
        store: Arc<dyn ObjectStore>,
        prefix: Name,
        /// Where it is a folder of this machine.
        folder: Option<PathBuf>,
    },
    /// Plain GET and PUT.
    Web { client: Client, base: Url },
}

/// What became of an object that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Created {
    New,
    /// There is one already, which stays.
    Exists,
}

impl Backend {
    pub(super) fn open(text: &str, deadline: Duration, mode: Mode) -> Result<Backend> {
        let url = Url::parse(text).map_err(|error| odd_url(text, &error.to_string()))?;
        let kind = match url.scheme() {
            "https" => web(text, url, deadline)?,
            "http" if is_loopback(&url) => web(text, url, deadline)?,
            "http" => return Err(odd_url(text, "without TLS only this very machine is asked")),
            "file" => {
                let folder =
                    url.to_file_path().map_err(|()| odd_url(text, "it names no folder"))?;
                if mode == Mode::Write {
                    std::fs::create_dir_all(&folder).map_err(|e| odd_url(text, &e.to_string()))?;
                }
                let prefix = Name::from_absolute_path(&folder);
                let prefix = prefix.map_err(|error| odd_url(text, &error.to_string()))?;
                let store = Arc::new(LocalFileSystem::new());
                Kind::Objects { store, prefix, folder: Some(folder) }
            }
            _ => bucket(text, &url, deadline)?,
        };
        Ok(Backend { url: shown(text), kind })
    }

    /// An object of at most this size; none if there is none.
    pub(super) async fn get(&self, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>> {
        match &self.kind {
            Kind::Objects { store, prefix, folder } => {
                let found = match store.get(&at(prefix, name)).await {
                    Err(object_store::Error::NotFound { .. }) => {
                        let is_gone = folder.as_ref().is_some_and(|folder| !folder.is_dir());
                        return if is_gone {
                            Err(self.failed(&"there is no such folder"))
                        } else {
                            Ok(None)
                        };
                    }
                    found => found.map_err(|error| self.failed(&error))?,
                };
                let mut bytes = Vec::new();
                let mut stream = found.into_stream();
                while let Some(part) = stream.try_next().await.map_err(|e| self.failed(&e))? {
                    bytes.extend_from_slice(&part);
                    self.check_size(bytes.len(), bytes_max)?;
                }
                Ok(Some(bytes))
            }
            Kind::Web { client, base } => {
                let Some(mut answer) = self.answer(client, base, name).await? else {
                    return Ok(None);
                };
                let mut bytes = Vec::new();
                while let Some(part) = answer.chunk().await.map_err(|e| self.failed(&e))? {
                    bytes.extend_from_slice(&part);
                    self.check_size(bytes.len(), bytes_max)?;
                }
                Ok(Some(bytes))
            }
        }
    }

    /// A server's answer that has an object.
    async fn answer(
        &self,
        client: &Client,
        base: &Url,
        name: &str,
    ) -> Result<Option<reqwest::Response>> {
        let mut n_failed = 0;
        loop {
            let answer = client.get(web_url(base, name)?).send().await;
            let answer = answer.map_err(|error| self.failed(&causes(&error)))?;
            match answer.status() {
                StatusCode::OK => return Ok(Some(answer)),
                StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
                status if status.is_server_error() && n_failed < RETRIES => {
                    n_failed += 1;
                    tokio::time::sleep(Duration::from_millis(50 << n_failed)).await;
                }
                status => return Err(self.failed(&format!("it answers {status}"))),
            }
        }
    }

    /// Writes an object unless there is one of this name.
    pub(super) async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<Created> {
        match &self.kind {
            Kind::Objects { store, prefix, .. } => {
                let place = at(prefix, name);
                match store.put_opts(&place, bytes.into(), PutMode::Create.into()).await {
                    Ok(_) => Ok(Created::New),
                    Err(
                        object_store::Error::AlreadyExists { .. }
                        | object_store::Error::Precondition { .. },
                    ) => Ok(Created::Exists),
                    Err(error) => Err(self.failed(&error)),
                }
            }
            Kind::Web { client, base } => {
                let request = client.put(web_url(base, name)?).body(bytes);
                let request = request.header(header::IF_NONE_MATCH, "*");
                let answer = request.send().await.map_err(|error| self.failed(&causes(&error)))?;
                match answer.status() {
                    status if status.is_success() => Ok(Created::New),
                    StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => Ok(Created::Exists),
                    status => Err(self.failed(&format!("it answers {status} to a PUT"))),
                }
            }
        }
    }

    /// Writes an object, whatever was there.
    pub(super) async fn replace(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        match &self.kind {
            Kind::Objects { store, prefix, .. } => {
                let put = store.put(&at(prefix, name), bytes.into()).await;
                put.map(drop).map_err(|error| self.failed(&error))
            }
            Kind::Web { client, base } => {
                let request = client.put(web_url(base, name)?).body(bytes);
                let answer = request.send().await.map_err(|error| self.failed(&causes(&error)))?;
                match answer.status() {
                    status if status.is_success() => Ok(()),
                    status => Err(self.failed(&format!("it answers {status} to a PUT"))),
                }
            }
        }
    }

    /// Names and sizes of all objects below a folder.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<(String, u64)>> {
        let Kind::Objects { store, prefix, .. } = &self.kind else {
            let message = format!("{} cannot be listed: HTTP has no way to", self.url);
            return Err(Error::new(Class::Usage, message).help("list it where its files are"));
        };
        let below = at(prefix, folder);
        let found = store.list(Some(&below)).map_ok(|found| {
            let name = found.location.as_ref();
            let name = name.strip_prefix(prefix.as_ref()).unwrap_or(name).trim_start_matches('/');
            (name.to_owned(), found.size)
        });
        let mut found: Vec<_> = found.try_collect().await.map_err(|e| self.failed(&e))?;
        found.sort_unstable();
        Ok(found)
    }

    fn check_size(&self, bytes: usize, bytes_max: usize) -> Result<()> {
        match bytes > bytes_max {
            true => Err(self.failed(&format!("an object has more than {bytes_max} bytes"))),
            false => Ok(()),
        }
    }

    fn failed(&self, error: &dyn Display) -> Error {
        Error::new(Class::Other, short(&error.to_string())).context(self.url.clone())
    }
}

/// A bucket or container of a provider, with the credentials of its usual variables and files.
fn bucket(text: &str, url: &Url, deadline: Duration) -> Result<Kind> {
    let odd = |error: object_store::Error| odd_url(text, &short(&error.to_string()));
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_secs(1),
        base: 2.0,
    };
    let retry = RetryConfig { max_retries: RETRIES, retry_timeout: deadline, backoff };
    let options = ClientOptions::new()
        .with_user_agent(header::HeaderValue::from_static(AGENT))
        .with_timeout_disabled()
        .with_read_timeout(SILENCE_MAX)
        .with_connect_timeout(connecting(deadline));
    let store: Arc<dyn ObjectStore> = match url.scheme() {
        "s3" | "s3a" => {
            let mut builder = AmazonS3Builder::from_env().with_url(text).with_retry(retry);
            for (key, value) in credentials::of_aws() {
                // What a variable says comes first.
                if builder.get_config_value(&key).is_none() {
                    builder = builder.with_config(key, value);
                }
            }
            let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
            let options = plain_if_near(options, endpoint);
            Arc::new(builder.with_client_options(options).build().map_err(odd)?)
        }
        "gs" => {
            let builder = GoogleCloudStorageBuilder::from_env().with_url(text);
            let endpoint = builder.get_config_value(&GoogleConfigKey::BaseUrl);
            let options = plain_if_near(options, endpoint);
            let builder = builder.with_retry(retry).with_client_options(options);
            Arc::new(builder.build().map_err(odd)?)
        }
        "az" | "azure" | "abfs" | "abfss" => {
            let builder = MicrosoftAzureBuilder::from_env().with_url(text);
            let options =
                plain_if_near(options, builder.get_config_value(&AzureConfigKey::Endpoint));
            let builder = builder.with_retry(retry).with_client_options(options);
            Arc::new(builder.build().map_err(odd)?)
        }
        other => return Err(odd_url(text, &format!("`{other}` is not known"))),
    };
    let prefix = Name::from_url_path(url.path()).map_err(|e| odd_url(text, &e.to_string()))?;
    Ok(Kind::Objects { store, prefix, folder: None })
}

fn web(text: &str, mut base: Url, deadline: Duration) -> Result<Kind> {
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    let client = Client::builder()
        .user_agent(AGENT)
        .connect_timeout(connecting(deadline))
        .read_timeout(SILENCE_MAX)
        .redirect(reqwest::redirect::Policy::limited(3))
        .build()
        .map_err(|error| odd_url(text, &error.to_string()))?;
    Ok(Kind::Web { client, base })
}

/// No connection takes longer than all of them may.
fn connecting(deadline: Duration) -> Duration {
    deadline.max(Duration::from_millis(1))
}

fn at(prefix: &Name, name: &str) -> Name {
    name.split('/').fold(prefix.clone(), |path, part| path.join(part))
}

fn web_url(base: &Url, name: &str) -> Result<Url> {
    base.join(name).map_err(|error| odd_url(base.as_str(), &error.to_string()))
}

/// A URL as it may be shown.
fn shown(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return text.to_owned() };
    if url.password().is_some() && url.set_password(Some("-")).is_ok() {
        return url.into();
    }
    text.to_owned()
}

/// Without TLS only a server on this machine is spoken to.
fn plain_if_near(options: ClientOptions, endpoint: Option<String>) -> ClientOptions {
    let endpoint = endpoint.and_then(|url| Url::parse(&url).ok());
    match endpoint.is_some_and(|url| is_loopback(&url)) {
        true => options.with_allow_http(true),
        false => options,
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback())
}

/// An error with what caused it: by itself it says little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

/// As much of an error of others as a line has room for.
fn short(text: &str) -> String {
    const CHARS_MAX: usize = 240;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn odd_url(url: &str, why: &str) -> Error {
    let error = Error::new(Class::Usage, format!("`{url}` is no shared store: {why}"));
    error.help("write s3://BUCKET/FOLDER, gs://…, az://…, https://HOST/FOLDER or file:///FOLDER")
}
