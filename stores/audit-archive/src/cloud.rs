//! Object stores of clouds, by their URLs.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme};
use url::Url;

/// Opens the object store of a URL with the settings of the environment, and returns it with the prefix in it.
///
/// The error is a text that may have the URL.
pub(crate) fn open(url: &Url) -> Result<(Arc<dyn ObjectStore>, Path), String> {
    let (scheme, prefix) = ObjectStoreScheme::parse(url).map_err(|error| error.to_string())?;
    let store = match scheme {
        ObjectStoreScheme::AmazonS3 => s3(url)?,
        ObjectStoreScheme::GoogleCloudStorage => gcs(url)?,
        ObjectStoreScheme::MicrosoftAzure => azure(url)?,
        _ => return Err(format!("an archive has no `{}` URLs", url.scheme())),
    };
    Ok((store, prefix))
}

/// Defines a function that opens the stores of a feature.
macro_rules! opens {
    ($name:ident, $feature:literal, $builder:ty, $variables:literal $(, $option:ident)?) => {
        #[cfg(feature = $feature)]
        fn $name(url: &Url) -> Result<Arc<dyn ObjectStore>, String> {
            tls::choose();
            let builder = <$builder>::new()
                .with_url(url.as_str())
                .with_retry(client::retry())
                .with_client_options(client::options())
                $(.$option(true))?;
            let settings = client::settings($variables);
            let builder = settings.fold(builder, |builder, (name, value)| match name.parse() {
                Ok(key) => builder.with_config(key, value),
                // Such as a variable of another program.
                Err(_) => builder,
            });
            let store = builder.build().map_err(|error| error.to_string())?;
            Ok(Arc::new(store))
        }

        #[cfg(not(feature = $feature))]
        fn $name(url: &Url) -> Result<Arc<dyn ObjectStore>, String> {
            let scheme = url.scheme();
            Err(format!(
                "this build does not support `{scheme}` URLs: enable the cargo feature `{}`",
                $feature
            ))
        }
    };
}

// Objects are deleted one by one, so that the error of each has its kind.
opens!(
    s3,
    "s3",
    object_store::aws::AmazonS3Builder,
    "AWS_",
    with_disable_bulk_delete
);
opens!(
    gcs,
    "gcs",
    object_store::gcp::GoogleCloudStorageBuilder,
    "GOOGLE_"
);
opens!(
    azure,
    "azure",
    object_store::azure::MicrosoftAzureBuilder,
    "AZURE_"
);

/// The settings of the connections.
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
mod client {
    use object_store::{BackoffConfig, ClientOptions, RetryConfig};
    use std::time::Duration;

    /// Returns how often a request is repeated. The location repeats the operation, too.
    pub(super) fn retry() -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(200),
                max_backoff: Duration::from_secs(10),
                base: 2.,
            },
            max_retries: 4,
            ..RetryConfig::default()
        }
    }

    /// Returns options without a time limit: the location has one.
    pub(super) fn options() -> ClientOptions {
        ClientOptions::new().with_timeout_disabled()
    }

    /// Returns the variables of the environment that begin with a prefix and are not empty, in lower case.
    pub(super) fn settings(prefix: &'static str) -> impl Iterator<Item = (String, String)> {
        std::env::vars_os().filter_map(move |(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            (name.starts_with(prefix) && !value.is_empty())
                .then(|| (name.to_ascii_lowercase(), value))
        })
    }
}

/// The implementation of encrypted connections.
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
mod tls {
    use rustls::crypto::{CryptoProvider, ring};

    /// Chooses `ring` for the process, unless the program has made a choice.
    pub(super) fn choose() {
        if CryptoProvider::get_default().is_none() {
            // It fails if another thread has chosen one meanwhile.
            ring::default_provider().install_default().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsupported_url_names_the_feature_or_the_scheme() {
        for (url, feature, is_enabled) in [
            ("s3://bucket/prefix", "`s3`", cfg!(feature = "s3")),
            ("gs://bucket/prefix", "`gcs`", cfg!(feature = "gcs")),
            ("az://container/prefix", "`azure`", cfg!(feature = "azure")),
        ] {
            let url: Url = url.parse().expect("a URL");
            // With the feature, a setting such as the account may be missing.
            let error = open(&url).err().unwrap_or_default();
            let names = error.contains("enable the cargo feature") && error.contains(feature);
            assert_eq!(names, !is_enabled, "{error}");
        }
        for url in ["memory:///", "http://host/prefix", "nowhere://host/"] {
            open(&url.parse().expect("a URL")).expect_err(url);
        }
    }
}
