//! Ports for servers that tests take away and bring back.

use std::fs;
use std::net::TcpListener;

use anyhow::Result;

use crate::random;

/// Below it others are at home.
const LOWEST: u16 = 1024;
/// How many are tried.
const TRIES: usize = 100;

/// A port that was free a moment ago, and that the system gives to no connection as its own end.
/// With any other, whoever calls a server that has just been killed could get its port for that,
/// and be connected to itself; the server would not start again.
pub(crate) fn free_port() -> Result<u16> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let lowest_given = range.split_whitespace().next().and_then(|lowest| lowest.parse().ok());
    let of_nobody = LOWEST..lowest_given.unwrap_or(LOWEST);
    for _ in 0..if of_nobody.is_empty() { 0 } else { TRIES } {
        let port = of_nobody.start + random::number()? % (of_nobody.end - of_nobody.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    // The system gives all of them.
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_connection_gets_it_for_itself() {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let given: Vec<u16> = range.split_whitespace().map(|port| port.parse().unwrap()).collect();
        let port = free_port().unwrap();
        assert!(
            given[0] <= LOWEST || !(given[0]..=given[1]).contains(&port),
            "{port} is one of {given:?}"
        );
    }
}
