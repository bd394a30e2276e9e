//! Where Redis is: one server, sentinels or a cluster.

use std::fmt;
use std::str::FromStr;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};

/// What was expected instead.
const FORMS: &str = "expected redis://[user:password@]host[:port][/database], \
    redis+cluster://[user:password@]host:port,host:port or \
    redis+sentinel://[user:password@]host:port,host:port/name[/database], \
    with rediss for redis where it speaks TLS";
/// Where sentinels listen, unless said.
const SENTINEL_PORT: u16 = 26_379;

/// The URL names no Redis. It is not repeated here: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: {FORMS}")]
pub struct RedisUrlError(&'static str);

/// Where Redis is, and how to sign in to it.
///
/// `redis://`, `redis+cluster://` and `redis+sentinel://`, each also as `rediss`, with a user
/// and a password before the first host. Those are for the servers that keep keys: sentinels
/// are asked without.
#[derive(Clone)]
pub struct RedisUrl(pub(super) Topology);

#[derive(Clone)]
pub(super) enum Topology {
    /// One server.
    Single(ConnectionInfo),
    /// Whoever these sentinels say is the master. The first has the settings for it.
    Sentinels { sentinels: Vec<ConnectionInfo>, service: String },
    /// The masters of a cluster, which any of these knows.
    Cluster(Vec<ConnectionInfo>),
}

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(text: &str) -> Result<Self, RedisUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(RedisUrlError("no URL"))?;
        let (base, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        if !matches!(base, "redis" | "rediss") {
            return Err(RedisUrlError("it begins with another word"));
        }
        if rest.contains(['?', '#']) {
            return Err(RedisUrlError("nothing may follow the path"));
        }
        // A password may hold anything but these: they are written as %2F and %40.
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (format!("{login}@"), hosts),
            None => (String::new(), authority),
        };
        let server = |host: &str, database: &str| {
            let parsed = format!("{base}://{login}{host}/{database}").into_connection_info();
            parsed.map_err(|_| RedisUrlError("a host, port, user or database is not well formed"))
        };
        let servers = |database: &str| {
            hosts.split(',').map(|host| server(host, database)).collect::<Result<Vec<_>, _>>()
        };
        match kind {
            "" if hosts.contains(',') => Err(RedisUrlError("one host is no cluster")),
            "" => server(hosts, path).map(Topology::Single),
            "cluster" if path.is_empty() => servers("").map(Topology::Cluster),
            "cluster" => Err(RedisUrlError("a cluster has no databases")),
            "sentinel" => {
                let (service, database) = path.split_once('/').unwrap_or((path, ""));
                if service.is_empty() {
                    return Err(RedisUrlError("the name that the sentinels know is missing"));
                }
                let named: Vec<String> = hosts.split(',').map(at_sentinel_port).collect();
                let sentinels = named.iter().map(|host| server(host, database));
                let sentinels = sentinels.collect::<Result<_, _>>()?;
                Ok(Topology::Sentinels { sentinels, service: service.to_owned() })
            }
            _ => Err(RedisUrlError("it begins with another word")),
        }
        .map(Self)
    }
}

fn at_sentinel_port(host: &str) -> String {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    if has_port { host.to_owned() } else { format!("{host}:{SENTINEL_PORT}") }
}

impl fmt::Debug for RedisUrl {
    /// Where, and not who.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = |servers: &[ConnectionInfo]| {
            servers.iter().map(|server| server.addr().to_string()).collect::<Vec<_>>().join(",")
        };
        match &self.0 {
            Topology::Single(server) => write!(f, "Redis at {}", server.addr()),
            Topology::Cluster(servers) => write!(f, "Redis cluster at {}", addresses(servers)),
            Topology::Sentinels { sentinels, service } => {
                write!(f, "Redis {service} of sentinels at {}", addresses(sentinels))
            }
        }
    }
}

/// The same settings for another address, given as servers name each other.
pub(super) fn at(settings: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    let address = match settings.addr() {
        ConnectionAddr::TcpTls { .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    settings.clone().set_addr(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topology_has_a_url() {
        for (text, shown) in [
            ("redis://a", "Redis at a:6379"),
            ("rediss://u:secret@a:7/3", "Redis at a:7"),
            ("redis://:secret@[::1]:7", "Redis at ::1:7"),
            ("redis+cluster://u:secret@a:1,b:2,c", "Redis cluster at a:1,b:2,c:6379"),
            (
                "rediss+sentinel://a,b:2,[::1]/main/4",
                "Redis main of sentinels at a:26379,b:2,::1:26379",
            ),
        ] {
            let url: RedisUrl = text.parse().unwrap();
            assert_eq!(format!("{url:?}"), shown);
        }
        let RedisUrl(Topology::Cluster(servers)) = "rediss+cluster://u:p%40w@a,b".parse().unwrap()
        else {
            panic!("a cluster");
        };
        for server in servers {
            assert!(matches!(server.addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
            assert_eq!(server.redis_settings().password(), Some("p@w"));
        }
    }

    #[test]
    fn what_is_none_is_refused_without_being_repeated() {
        for text in [
            "",
            "secret",
            "http://secret",
            "redis://",
            "redis://secret@a,b",
            "redis://secret@a:x",
            "redis://secret@a/x",
            "rediss://secret@a/#insecure",
            "redis+cluster://secret@a,b/1",
            "redis+sentinel://secret@a,b",
            "redis+sentinel://secret@a,b/main/x",
            "redis+secret://a",
        ] {
            let refused = text.parse::<RedisUrl>().unwrap_err().to_string();
            assert!(refused.contains("expected redis://"), "{text}: {refused}");
            assert!(!refused.contains("secret"), "{text}: {refused}");
        }
    }
}
