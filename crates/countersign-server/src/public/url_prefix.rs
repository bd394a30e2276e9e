//! The path before every public route.

use std::fmt;
use std::str::FromStr;

use axum::Router;
use axum::routing::MethodRouter;

/// What stands before every public path: nothing, or something like `/auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlPrefix(String);

/// The prefix is not a plain path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be a URL prefix: it begins with `/`, does not end with `/`, and has only letters, digits and `-._~/` in it"
)]
pub struct UrlPrefixError(String);

impl FromStr for UrlPrefix {
    type Err = UrlPrefixError;

    fn from_str(prefix: &str) -> Result<Self, UrlPrefixError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        let segments_are_names =
            || prefix.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
        let is_path = prefix.starts_with('/') && prefix.chars().all(plain) && segments_are_names();
        if prefix.is_empty() || is_path {
            Ok(Self(prefix.to_owned()))
        } else {
            Err(UrlPrefixError(prefix.to_owned()))
        }
    }
}

impl fmt::Display for UrlPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl UrlPrefix {
    /// The routes behind the prefix. With it their root has two spellings.
    pub(super) fn nest(&self, routes: Router, root: Option<MethodRouter>) -> Router {
        if self.0.is_empty() {
            return routes;
        }
        let nested = Router::new().nest(&self.0, routes);
        match root {
            Some(root) => nested.route(&format!("{}/", self.0), root),
            None => nested,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_path() {
        for good in ["", "/auth", "/a/b-c.d_e~f"] {
            assert_eq!(good.parse::<UrlPrefix>().unwrap().to_string(), good);
        }
        for bad in ["auth", "/", "/auth/", "//a", "/a//b", "/{x}", "/a b", "/..", "/a/./b", "/ü"] {
            assert!(bad.parse::<UrlPrefix>().is_err(), "{bad}");
        }
    }
}
