//! Where traces are sent, if they are.

use url::Url;

use crate::failure::Failure;

/// What OpenTelemetry's conventions for OTLP over HTTP put behind a collector's URL.
const TRACES_PATH: &str = "/v1/traces";
/// What spans are of, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` say it.
const SERVICE_NAME: &str = "countersign";

/// A collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtlpEndpoint {
    /// Where spans are posted to.
    pub(crate) url: Url,
    /// What named it.
    pub(crate) setting: &'static str,
    /// `None` if the standard variables name the service.
    pub(crate) service_name: Option<String>,
}

impl OtlpEndpoint {
    /// The one of the setting, or else of the variables that OpenTelemetry's specification has
    /// for every program.
    ///
    /// # Errors
    /// A [`Failure`] if what is named is no URL.
    pub(super) fn resolve(
        setting: Option<&str>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Failure> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none")
        {
            return Ok(None);
        }
        let (traces, all) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
        let (setting, url) = if let Some(url) = setting {
            ("otlp_endpoint", parse("otlp_endpoint", url, TRACES_PATH)?)
        } else if let Some(url) = variable(traces) {
            (traces, parse(traces, &url, "")?)
        } else if let Some(url) = variable(all) {
            (all, parse(all, &url, TRACES_PATH)?)
        } else {
            return Ok(None);
        };
        let is_named = variable("OTEL_SERVICE_NAME").is_some()
            || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|it| it.contains("service.name="));
        let service_name = (!is_named).then(|| SERVICE_NAME.to_owned());
        Ok(Some(Self { url, setting, service_name }))
    }
}

fn parse(setting: &str, text: &str, behind: &str) -> Result<Url, Failure> {
    let wrong = || {
        Failure::usage(format_args!(
            "{setting} is no URL of a collector, expected for example http://127.0.0.1:4318; \
             a password belongs into OTEL_EXPORTER_OTLP_HEADERS"
        ))
    };
    let text = format!("{}{behind}", text.trim().trim_end_matches('/'));
    let url: Url = text.parse().map_err(|_| wrong())?;
    let is_one = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    if is_one { Ok(url) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(
        setting: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<Option<OtlpEndpoint>, Failure> {
        let find = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        OtlpEndpoint::resolve(setting, &find)
    }

    #[track_caller]
    fn url(setting: Option<&str>, variables: &[(&str, &str)]) -> String {
        resolve(setting, variables).unwrap().unwrap().url.to_string()
    }

    const ALL: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318/base/");
    const TRACES: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces/in");

    #[test]
    fn the_setting_comes_first_and_only_the_variable_for_traces_is_taken_as_it_stands() {
        assert_eq!(resolve(None, &[]).unwrap(), None);
        assert_eq!(url(None, &[ALL]), "http://all:4318/base/v1/traces");
        assert_eq!(url(None, &[ALL, TRACES]), "https://traces/in");
        let own = Some("http://127.0.0.1:4318");
        assert_eq!(url(own, &[ALL, TRACES]), "http://127.0.0.1:4318/v1/traces");
        for off in [("OTEL_SDK_DISABLED", "True"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(resolve(own, &[off]).unwrap(), None);
        }
        assert_eq!(resolve(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]).unwrap(), None);
    }

    #[test]
    fn the_service_has_a_name_unless_somebody_gave_it_another() {
        let named = |variables: &[_]| resolve(Some("http://a"), variables).unwrap().unwrap();
        assert_eq!(named(&[]).service_name.as_deref(), Some("countersign"));
        for variable in
            [("OTEL_SERVICE_NAME", "edge"), ("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=edge")]
        {
            assert_eq!(named(&[variable]).service_name, None);
        }
    }

    #[test]
    fn what_is_no_url_of_a_collector_is_refused_and_not_repeated() {
        for text in ["collector:4318", "unix:///run/secret", "http://me:secret@host", "secret"] {
            let refused = resolve(Some(text), &[]).unwrap_err().to_string();
            assert!(refused.starts_with("otlp_endpoint"), "{refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
