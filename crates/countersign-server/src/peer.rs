//! Where a request came from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// The other end of the connection. The program that accepts connections sets
/// it as an extension of every request; without it the address is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// How many elements of `X-Forwarded-For` are looked at, from the last one on.
const MAX_FORWARDED_ELEMENTS: usize = 16;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks whose word about a client's address is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl Default for TrustedProxies {
    /// Loopback: a gateway on the same host.
    fn default() -> Self {
        let host = |address| IpNet::new_assert(address, 8);
        let loopback = IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128);
        Self(vec![host(IpAddr::V4(Ipv4Addr::LOCALHOST)).trunc(), loopback])
    }
}

impl TrustedProxies {
    /// Takes the word of these networks, and of no others.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().map(|network| network.trunc()).collect())
    }

    /// Whether a peer's word is taken.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address of the client: the peer's own or, if the peer is trusted, the
    /// last element of `X-Forwarded-For` that is not. Elements before that one
    /// were written by the client and mean nothing.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.contains(client) {
            return client;
        }
        let lines = headers.get_all(&X_FORWARDED_FOR).iter().rev();
        let elements = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for element in elements.take(MAX_FORWARDED_ELEMENTS) {
            let Some(address) = std::str::from_utf8(element).ok().and_then(read_address) else {
                break;
            };
            client = address;
            if !self.contains(client) {
                break;
            }
        }
        client
    }
}

/// An address with or without a port, as proxies write it.
fn read_address(element: &str) -> Option<IpAddr> {
    let element = element.trim();
    let address =
        element.parse().or_else(|_| element.parse().map(|socket: SocketAddr| socket.ip()));
    let bracketed = || element.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.ok().or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&X_FORWARDED_FOR, line.parse().unwrap());
        }
        TrustedProxies::default().client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(client("192.0.2.9", &["198.51.100.1"]), "192.0.2.9");
        assert_eq!(client("::ffff:192.0.2.9", &["198.51.100.1"]), "192.0.2.9");
    }

    #[test]
    fn a_gateway_is_believed_about_the_last_hop_only() {
        assert_eq!(client("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &["203.0.113.1, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("::1", &["203.0.113.1", "198.51.100.7, 127.0.0.2"]), "198.51.100.7");
        assert_eq!(client("::ffff:127.0.0.1", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(client("127.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client("127.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(client("127.0.0.1", &["127.0.0.8, 127.0.0.9"]), "127.0.0.8");
    }

    #[test]
    fn what_is_no_address_ends_the_search() {
        assert_eq!(client("127.0.0.1", &["198.51.100.7, unknown"]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &["198.51.100.7, _hidden, 127.0.0.9"]), "127.0.0.9");
        assert_eq!(client("127.0.0.1", &[""]), "127.0.0.1");
        let long = ["127.0.0.9"; MAX_FORWARDED_ELEMENTS].join(",");
        assert_eq!(client("127.0.0.1", &[&format!("198.51.100.7,{long}")]), "127.0.0.9");
    }

    #[test]
    fn the_list_is_configurable() {
        let proxies = TrustedProxies::new(["10.1.2.3/8".parse().unwrap()]);
        assert!(proxies.contains("10.200.0.1".parse().unwrap()));
        assert!(!proxies.contains("127.0.0.1".parse().unwrap()));
    }
}
