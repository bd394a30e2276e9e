//! The servers of a cluster: three masters, alone or each with a replica.

use std::net::TcpListener;

use countersign_testbed::Redis;
use tempfile::TempDir;

use crate::outages::until;

/// What each master takes.
const SLOTS: [&str; 3] = ["0 5460", "5461 10922", "10923 16383"];

/// A server of a cluster; where its bus listens outlasts a restart, as its data does.
pub(super) struct Node {
    pub(super) server: Redis,
    bus: u16,
    _directory: TempDir,
}

impl Node {
    fn start(settings: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let bus = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = bus.to_string();
        let settings = [settings, &["--cluster-enabled", "yes", "--cluster-port", &port]].concat();
        let server = Redis::start(directory.path(), &settings).unwrap();
        Self { server, bus, _directory: directory }
    }

    pub(super) fn ask(&self, words: &str) -> String {
        self.server.command(words).unwrap()
    }

    #[track_caller]
    fn tell(&self, words: &str) {
        let said = self.ask(words);
        assert!(said.starts_with("+OK"), "{words}: {said}");
    }

    fn id(&self) -> String {
        let said = self.ask("CLUSTER MYID");
        said.lines().nth(1).unwrap().to_owned()
    }

    /// Whether a replica follows that it takes writes with. It is to be set to ask for one.
    pub(super) fn has_a_replica(&self) -> bool {
        self.ask("INFO replication").contains("min_slaves_good_slaves:1")
    }

    /// How many keys it has.
    pub(super) fn keys(&self) -> u64 {
        self.ask("DBSIZE").trim_start_matches(':').trim().parse().unwrap()
    }
}

/// Three masters that share all slots.
pub(super) async fn masters(settings: &[&str]) -> Vec<Node> {
    let nodes: Vec<Node> = SLOTS.iter().map(|_| Node::start(settings)).collect();
    for ((node, slots), epoch) in nodes.iter().zip(SLOTS).zip(1..) {
        node.tell(&format!("CLUSTER ADDSLOTSRANGE {slots}"));
        node.tell(&format!("CLUSTER SET-CONFIG-EPOCH {epoch}"));
    }
    meet(&nodes[0], &nodes[1..]);
    until_complete(&nodes).await;
    nodes
}

/// A replica for each of these masters, in their order.
pub(super) async fn replicas(masters: &[Node], settings: &[&str]) -> Vec<Node> {
    let nodes: Vec<Node> = masters.iter().map(|_| Node::start(settings)).collect();
    meet(&masters[0], &nodes);
    for (replica, master) in nodes.iter().zip(masters) {
        let (id, follow) = (master.id(), format!("CLUSTER REPLICATE {}", master.id()));
        until("the replica has heard of its master", async || {
            replica.ask("CLUSTER NODES").contains(&id) && replica.ask(&follow).starts_with("+OK")
        })
        .await;
    }
    until("all follow, and every master knows", async || {
        masters.iter().all(|master| {
            master.has_a_replica() && master.ask("CLUSTER NODES").matches("slave").count() == 3
        })
    })
    .await;
    nodes
}

/// Has these join the cluster of the first.
fn meet(first: &Node, others: &[Node]) {
    let address = first.server.address().replace(':', " ");
    for other in others {
        other.tell(&format!("CLUSTER MEET {address} {}", first.bus));
    }
}

/// Waits until each of them knows that all slots are taken.
pub(super) async fn until_complete(nodes: &[Node]) {
    until("the cluster is complete", async || {
        nodes.iter().all(|node| {
            let info = node.ask("CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains("cluster_size:3")
        })
    })
    .await;
}

/// Where a guard begins to look.
pub(super) fn addresses(nodes: &[Node]) -> String {
    nodes.iter().map(|node| node.server.address()).collect::<Vec<_>>().join(",")
}
