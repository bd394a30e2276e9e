//! Rules on what a gateway lets through: by host, path and method, for everyone, for
//! those who are known, or for groups.
//!
//! The first rule that fits decides. As soon as there is a rule, what none fits is
//! denied. Paths are compared as the service behind the gateway will read them, and those
//! that services read in different ways fit nothing ([`RequestPath`]).

mod host_pattern;
mod path_pattern;
mod request_path;

use std::fmt;

use countersign_core::GroupName;
use http::Method;
use serde::{Deserialize, Deserializer, de};

pub use host_pattern::{HostPattern, HostPatternError, host_name};
pub use path_pattern::{PathPattern, PathPatternError};
pub use request_path::{AmbiguousPath, RequestPath};

/// A list of rules, in their order.
///
/// ```
/// use countersign_server::access_rules::{AccessRules, Requirement, RequestPath};
///
/// let rules: AccessRules = toml::from_str(r#"
///     [[rules]]
///     path = "/health"
///     allow = "public"
///
///     [[rules]]
///     path = "/books/**"
///     methods = ["GET"]
///     allow = "authenticated"
///
///     [[rules]]
///     path = "/books/**"
///     allow = ["editors"]
/// "#)?;
/// let path = RequestPath::read("/books/7")?;
/// let needed = |method| rules.requirement(method, None, &path).map(|(_, needed)| needed);
/// assert_eq!(needed(&http::Method::GET), Some(&Requirement::Authenticated));
/// assert!(matches!(needed(&http::Method::PUT), Some(Requirement::Groups(_))));
/// assert!(rules.requirement(&http::Method::GET, None, &RequestPath::read("/")?).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRules {
    rules: Vec<AccessRule>,
}

/// Which requests it is about, and who may make them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRule {
    /// The hosts; any if there is none.
    #[serde(default)]
    pub host: Option<HostPattern>,
    /// The paths.
    pub path: PathPattern,
    /// The methods; any if there is none.
    #[serde(default, deserialize_with = "methods")]
    pub methods: Option<Vec<Method>>,
    /// Who may.
    pub allow: Requirement,
}

/// Who may make a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Everyone; nobody looks at credentials.
    Public,
    /// Whoever proves who it is.
    Authenticated,
    /// Whoever is in one of these groups.
    Groups(Vec<GroupName>),
}

impl AccessRules {
    /// The rules.
    pub fn rules(&self) -> &[AccessRule] {
        &self.rules
    }

    /// Whether a rule is about a host, so that requests must say theirs.
    pub fn look_at_hosts(&self) -> bool {
        self.rules.iter().any(|rule| rule.host.is_some())
    }

    /// The first rule that fits, by its number from 0, and whom it asks for; `None`
    /// denies. `host` is a [host name](host_name).
    pub fn requirement(
        &self,
        method: &Method,
        host: Option<&str>,
        path: &RequestPath,
    ) -> Option<(usize, &Requirement)> {
        let first = self.rules.iter().position(|rule| rule.fits(method, host, path))?;
        Some((first, &self.rules[first].allow))
    }
}

impl AccessRule {
    fn fits(&self, method: &Method, host: Option<&str>, path: &RequestPath) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.contains(method))
            && self.host.as_ref().is_none_or(|pattern| host.is_some_and(|host| pattern.fits(host)))
            && self.path.fits(path)
    }
}

impl fmt::Display for AccessRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(methods) = &self.methods {
            let names: Vec<_> = methods.iter().map(Method::as_str).collect();
            write!(f, "{} ", names.join(", "))?;
        }
        if let Some(host) = &self.host {
            write!(f, "{host}")?;
        }
        write!(f, "{}: {}", self.path, self.allow)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Authenticated => f.write_str("authenticated"),
            Self::Groups(groups) => {
                let names: Vec<_> = groups.iter().map(GroupName::as_str).collect();
                write!(f, "groups {}", names.join(", "))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected \"public\", \"authenticated\" or a list of groups")]
        enum Written {
            Word(String),
            Groups(Vec<String>),
        }
        let groups = match Written::deserialize(deserializer)? {
            Written::Word(word) => {
                return match word.as_str() {
                    "public" => Ok(Self::Public),
                    "authenticated" => Ok(Self::Authenticated),
                    _ => Err(de::Error::custom(format_args!(
                        "found \"{word}\", expected \"public\", \"authenticated\" or a list of groups"
                    ))),
                };
            }
            Written::Groups(groups) => groups,
        };
        if groups.is_empty() {
            return Err(de::Error::custom(
                "a list of no groups lets nobody through: leave the rule out",
            ));
        }
        let read = |name: &String| {
            GroupName::new(name)
                .map_err(|error| de::Error::custom(format_args!("\"{name}\": {error}")))
        };
        Ok(Self::Groups(groups.iter().map(read).collect::<Result<_, _>>()?))
    }
}

/// Methods are case-sensitive (RFC 9110 section 9.1): one in small letters fits nothing
/// that a client sends, and so is a mistake.
fn methods<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Method>>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.is_empty() {
        return Err(de::Error::custom("a list of no methods fits nothing: leave it out for any"));
    }
    let read = |name: &String| {
        let method = Method::from_bytes(name.as_bytes()).ok();
        let is_usual = !name.bytes().any(|byte| byte.is_ascii_lowercase());
        method.filter(|_| is_usual).ok_or_else(|| {
            de::Error::custom(format_args!("\"{name}\" is no method: write for example GET"))
        })
    };
    names.iter().map(read).collect::<Result<Vec<_>, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<AccessRules, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The number of the rule that decides, counted from 0.
    fn decided(rules: &AccessRules, method: &str, host: Option<&str>, path: &str) -> Option<usize> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let path = RequestPath::read(path).unwrap();
        rules.requirement(&method, host, &path).map(|(number, _)| number)
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_nothing_else_is_allowed() {
        let rules = rules(
            r#"
            [[rules]]
            host = "open.example"
            path = "/**"
            allow = "public"
            [[rules]]
            path = "/books/*"
            methods = ["GET", "HEAD"]
            allow = "authenticated"
            [[rules]]
            path = "/books/**"
            allow = ["editors", "ops"]
            "#,
        )
        .unwrap();
        assert!(rules.look_at_hosts());
        for (method, host, path, expected) in [
            ("GET", Some("open.example"), "/books/7", Some(0)),
            ("GET", Some("books.example"), "/books/7", Some(1)),
            ("GET", None, "/books/7", Some(1)),
            ("PUT", None, "/books/7", Some(2)),
            ("get", None, "/books/7", Some(2)),
            ("GET", None, "/books/7/pages", Some(2)),
            ("GET", None, "/", None),
            ("GET", None, "/bookshelf", None),
        ] {
            assert_eq!(decided(&rules, method, host, path), expected, "{method} {host:?} {path}");
        }
    }

    #[test]
    fn what_would_not_do_is_said() {
        for (text, said) in [
            ("", "missing field `rules`"),
            ("[[rules]]\nallow = 'public'", "missing field `path`"),
            ("[[rules]]\npath = '/'", "missing field `allow`"),
            ("[[rules]]\npath = '/'\nallow = 'public'\nmethod = 'GET'", "unknown field `method`"),
            ("[[rules]]\npath = '/'\nallow = 'everyone'", "found \"everyone\""),
            ("[[rules]]\npath = '/'\nallow = []", "lets nobody through"),
            ("[[rules]]\npath = '/'\nallow = ['a b']", "\"a b\": a group may only contain"),
            ("[[rules]]\npath = '/'\nallow = 7", "a list of groups"),
            ("[[rules]]\npath = '/'\nallow = 'public'\nmethods = ['get']", "is no method"),
            ("[[rules]]\npath = '/'\nallow = 'public'\nmethods = []", "leave it out"),
            ("[[rules]]\npath = 'books'\nallow = 'public'", "must begin with `/`"),
            ("[[rules]]\npath = '/a/**/b'\nallow = 'public'", "`**` can only be the last"),
            ("[[rules]]\npath = '/a*'\nallow = 'public'", "stand alone"),
            ("[[rules]]\npath = '/a/../b'\nallow = 'public'", "dot segment"),
            ("[[rules]]\npath = '/a%62'\nallow = 'public'", "without percent-encoding"),
            ("[[rules]]\npath = '/'\nallow = 'public'\nhost = 'a.example:80'", "no host"),
        ] {
            let error = rules(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
