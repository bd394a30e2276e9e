//! Replay guards outside of the server's process.

use tokio::time::Instant;

use countersign_testbed::Redis;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::{Sandbox, Server, wait_for};

const ID: &str = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
/// A short wait at a first contact.
const QUICK: [&str; 4] = ["--tolerance", "2s", "--replay-guard", "redis"];

/// Waits until signed requests are taken: after a first contact that is the tolerance.
fn until_settled(sandbox: &Sandbox, server: &Server) {
    wait_for("signed requests to be taken", || {
        let made = sandbox.run(&["account", "list"]);
        (made.code == 0).then_some(())
    });
    sandbox.account("robot");
    assert_eq!(server.forward_auth(&sandbox.authorization("robot")), 200);
}

#[test]
fn redis_remembers_across_kill_9_of_the_server() {
    let sandbox = Sandbox::new();
    let redis = Redis::start(&sandbox.path("."), &[]).unwrap();
    sandbox.write("redis-url", format!("{}/0\n", redis.url()));
    let arguments = [&QUICK[..], &["--redis-url-file", "redis-url"]].concat();
    let server = sandbox.serve(&arguments);
    until_settled(&sandbox, &server);
    let (used, unused) = (sandbox.authorization("robot"), sandbox.authorization("robot"));
    assert_eq!(server.forward_auth(&used), 200);
    assert_eq!(server.forward_auth(&used), 401);
    server.kill();
    let server = sandbox.serve(&arguments);
    assert_eq!(server.forward_auth(&used), 401);
    assert_eq!(server.forward_auth(&unused), 200, "the same Redis: nobody has to wait");
}

/// What `/health/ready` and the metrics say of a wait.
fn waits(server: &Server) -> (String, bool) {
    let metrics = Server::text(&server.internal("/metrics"));
    let left = metrics.lines().find_map(|line| {
        line.strip_prefix("countersign_replay_guard_wait_seconds ").map(str::parse::<f64>)
    });
    let ready = Server::text(&server.public("/health/ready"));
    (ready, left.expect("the metric").unwrap() > 0.0)
}

#[test]
fn the_wait_of_a_first_contact_is_said_and_the_next_server_has_none() {
    let sandbox = Sandbox::new();
    let redis = Redis::start(&sandbox.path("."), &[]).unwrap();
    let variables = [("COUNTERSIGN_REDIS_URL", &*redis.url())];
    // Longer than it takes to look, on a slow machine too.
    let slow = ["--tolerance", "20s", "--replay-guard", "redis"];
    let server = sandbox.serve_with(&slow, &variables);
    let body = json!({ "key": "a key", "identifier": ID });
    assert_eq!(Server::post(&server.internal("/register_key"), &body).0, 201);
    let (jwt, _) = server.authenticate("a key", ID);
    let well = "ready, but not all is well: replay-guard-wait\n".to_owned();
    assert_eq!(waits(&server), (well, true));
    assert_eq!(server.forward_auth(&format!("Bearer {jwt}")), 200, "it is ready");
    let doctor = sandbox.run(&["doctor"]);
    assert!(doctor.stdout.contains("the log says until when"), "{}", doctor.stdout);
    let log = server.log();
    assert!(log.contains("signed requests get 503 until then") && log.contains("until="), "{log}");

    until_settled(&sandbox, &server);
    wait_for("the end of the wait", || {
        (waits(&server) == ("ready\n".to_owned(), false)).then_some(())
    });
    wait_for("its end to be said", || server.log().contains("are taken again").then_some(()));
    let log = server.stop();
    assert_eq!(log.matches("get 503 until then").count(), 1, "{log}");
    assert_eq!(log.matches("are taken again").count(), 1, "{log}");

    let server = sandbox.serve_with(&slow, &variables);
    assert_eq!(waits(&server), ("ready\n".to_owned(), false));
    assert!(!server.stop().contains("get 503 until then"));
}

#[test]
fn a_hung_redis_is_503_within_the_limit_while_access_tokens_go_on() {
    let sandbox = Sandbox::new();
    let redis = Redis::start(&sandbox.path("."), &[]).unwrap();
    let variables = [("COUNTERSIGN_REDIS_URL", &*redis.url())];
    let arguments = [&QUICK[..], &["--replay-timeout", "500ms"]].concat();
    let server = sandbox.serve_with(&arguments, &variables);
    until_settled(&sandbox, &server);
    let body = json!({ "key": "a key", "identifier": ID });
    assert_eq!(Server::post(&server.internal("/register_key"), &body).0, 201);
    let (jwt, _) = server.authenticate("a key", ID);

    redis.pause().unwrap();
    let before = Instant::now();
    let signed = || server.forward_auth(&sandbox.authorization("robot"));
    let bearer = || server.forward_auth(&format!("Bearer {jwt}"));
    for _ in 0..20 {
        assert_eq!(signed(), 503);
        assert_eq!(bearer(), 200);
    }
    // Twenty times a limit that nobody keeps would be forever.
    assert!(before.elapsed().as_secs() < 60);
    sandbox.fails(4, &["health"]);

    redis.resume().unwrap();
    wait_for("signed requests to be taken again", || (signed() == 200).then_some(()));
    assert_eq!(bearer(), 200);
    let log = server.stop();
    assert!(log.contains("left alone") && log.contains("answers again"), "{log}");
}

#[test]
fn an_outage_of_redis_is_said_once_and_not_with_each_try() {
    let sandbox = Sandbox::new();
    let mut redis = Redis::start(&sandbox.path("."), &[]).unwrap();
    let variables = [("COUNTERSIGN_REDIS_URL", &*redis.url())];
    let server = sandbox.serve_with(&[&QUICK[..], &["--log-level", "debug"]].concat(), &variables);
    redis.kill().unwrap();
    wait_for("several tries", || {
        let log = server.log();
        let tries = log.lines().filter(|line| line.contains("still no session with Redis"));
        (tries.count() >= 3).then_some(())
    });
    redis.start_again().unwrap();
    wait_for("its end", || server.log().contains("connected to Redis again").then_some(()));
    let log = server.stop();
    let said = |words: &str| {
        // Behind the time of each.
        let lines = log.lines().filter(|line| line.contains(words) && line.contains(" WARN "));
        lines.filter_map(|line| line.split_once(" WARN ")).map(|(_, said)| said).collect::<Vec<_>>()
    };
    assert_eq!(said("the session with Redis is over").len(), 1, "{log}");
    let tries = said("no session with Redis");
    let is_news = tries.windows(2).all(|two| two[0] != two[1]);
    assert!(!tries.is_empty() && is_news, "{tries:?}");
}

#[test]
fn servers_on_one_postgres_accept_a_token_once() {
    let sandbox = Sandbox::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(countersign_testbed::fresh_database()).unwrap();
    sandbox.key("alice");
    let alice = sandbox.read("alice.key.pub");
    let key_file = sandbox.path("data/encryption.key").display().to_string();
    let variables = [
        ("COUNTERSIGN_DATABASE_URL", database.url()),
        ("COUNTERSIGN_BOOTSTRAP_ADMIN_PUBLIC_KEY", &*alice),
    ];
    let arguments = ["--tolerance", "2s", "--replay-guard", "database"];
    let first = sandbox.serve_with(&arguments, &variables);
    let other = Sandbox::new();
    let with_its_key =
        [&variables[..], &[("COUNTERSIGN_ENCRYPTION_KEY_FILE", &*key_file)]].concat();
    let second = other.serve_with(&arguments, &with_its_key);
    let made = || sandbox.ok(&["header", "--account", "admin", "--key", "alice.key"]);
    let token = || made().trim().trim_start_matches("Authorization: ").to_owned();
    wait_for("signed requests to be taken", || (first.forward_auth(&token()) == 200).then_some(()));
    assert!(first.log().contains("signed requests get 503 until then"), "{}", first.log());
    wait_for("all to be well", || (waits(&second) == ("ready\n".to_owned(), false)).then_some(()));
    for (here, there) in [(&first, &second), (&second, &first)] {
        let token = token();
        assert_eq!(here.forward_auth(&token), 200);
        assert_eq!(there.forward_auth(&token), 401);
    }
    let wide = ["serve", "--listen=127.0.0.1:0", "--internal-listen=127.0.0.1:0"];
    let wide = [&wide[..], &["--replay-guard", "database", "--tolerance", "1h"]].concat();
    let third = Sandbox::new();
    let mut wide = third.command(&wide);
    let said = crate::support::Said::of(wide.envs(with_its_key.iter().copied()));
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(said.stderr.contains("remember uses for one of 2s"), "{}", said.stderr);
    let token = token();
    first.kill();
    second.kill();
    let first = sandbox.serve_with(&arguments, &variables);
    assert_eq!(first.forward_auth(&token), 200, "the same database: nobody has to wait");
    let log = first.stop();
    assert!(!log.contains("of this server alone") && !log.contains("get 503 until then"), "{log}");
}

#[test]
fn a_server_that_remembers_by_itself_is_the_only_one_on_its_database() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(countersign_testbed::fresh_database()).unwrap();
    let sandbox = Sandbox::new();
    sandbox.key("alice");
    let alice = sandbox.read("alice.key.pub");
    let key_file = sandbox.path("data/encryption.key").display().to_string();
    let variables = [
        ("COUNTERSIGN_DATABASE_URL", database.url()),
        ("COUNTERSIGN_BOOTSTRAP_ADMIN_PUBLIC_KEY", &*alice),
    ];
    let with_its_key =
        [&variables[..], &[("COUNTERSIGN_ENCRYPTION_KEY_FILE", &*key_file)]].concat();
    let quick = ["--tolerance", "2s", "--drain-timeout", "1s"];
    let first =
        sandbox.serve_with(&[&quick[..], &["--replay-guard", "durable"]].concat(), &variables);
    let other = Sandbox::new();
    for (guard, named) in [
        ("durable", "replay_guard is of this server alone"),
        ("memory", "replay_guard is of this server alone"),
        ("database", "another server on this database remembers used tokens by itself"),
    ] {
        let ports = ["serve", "--listen=127.0.0.1:0", "--internal-listen=127.0.0.1:0"];
        let words = [&ports[..], &quick, &["--replay-guard", guard]].concat();
        let mut command = other.command(&words);
        let said = crate::support::Said::of(command.envs(with_its_key.iter().copied()));
        assert_eq!(said.code, 2, "{}", said.stderr);
        assert!(said.stderr.contains(named), "{}", said.stderr);
    }
    // One that waits for its place ends when it is told to.
    let words = ["serve", "--listen=127.0.0.1:0", "--internal-listen=127.0.0.1:0"];
    let words = [&words[..], &["--tolerance", "2s", "--replay-guard", "database"]].concat();
    let log = other.path("patient.log");
    let mut patient = other.command(&words);
    patient.envs(with_its_key.iter().copied()).stderr(std::fs::File::create(&log).unwrap());
    let mut patient = patient.spawn().unwrap();
    let said = || std::fs::read_to_string(&log).unwrap();
    wait_for("it to wait", || said().contains("waiting for its end").then_some(()));
    kill_process(Pid::from_child(&patient), Signal::TERM).unwrap();
    assert!(patient.wait().unwrap().success());
    assert!(said().contains("stopped before it was ready"), "{}", said());
    // One that starts while the first is about to end waits for that.
    let words = ["--tolerance", "2s", "--replay-guard", "database"];
    let (first, second) = std::thread::scope(|scope| {
        let second = scope.spawn(|| other.serve_with(&words, &with_its_key));
        wait_for("the second to wait", || {
            let log = std::fs::read_to_string(other.path("server.log")).unwrap_or_default();
            log.contains("waiting for its end").then_some(())
        });
        (first.stop(), second.join().unwrap())
    });
    assert!(first.contains("stopped"), "{first}");
    drop(second);
}

#[test]
fn servers_on_one_postgres_share_one_memory_or_do_not_start() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(countersign_testbed::fresh_database()).unwrap();
    let (sandbox, beside, late) = (Sandbox::new(), Sandbox::new(), Sandbox::new());
    let redis = Redis::start(&sandbox.path("."), &[]).unwrap();
    let mut another = Redis::start(&late.path("."), &[]).unwrap();
    sandbox.key("alice");
    let alice = sandbox.read("alice.key.pub");
    let key_file = sandbox.path("data/encryption.key").display().to_string();
    let variables = [
        ("COUNTERSIGN_DATABASE_URL", database.url()),
        ("COUNTERSIGN_BOOTSTRAP_ADMIN_PUBLIC_KEY", &*alice),
    ];
    let with_its_key =
        [&variables[..], &[("COUNTERSIGN_ENCRYPTION_KEY_FILE", &*key_file)]].concat();
    let quick = ["--tolerance", "2s", "--drain-timeout", "1s"];
    let (url, other_url) = (redis.url(), another.url());
    let in_redis = |url| [&quick[..], &["--replay-guard", "redis", "--redis-url", url]].concat();
    let first = sandbox.serve_with(&in_redis(&url), &variables);
    let by_name = url.replace("127.0.0.1", "localhost");
    let second = beside.serve_with(&in_redis(&by_name), &with_its_key);
    for words in [
        [&quick[..], &["--replay-guard", "database"]].concat(),
        in_redis(&other_url),
        [&in_redis(&url)[..], &["--redis-namespace", "of-its-own"]].concat(),
    ] {
        let ports = ["serve", "--listen=127.0.0.1:0", "--internal-listen=127.0.0.1:0"];
        let mut command = late.command(&[&ports[..], &words].concat());
        let said = crate::support::Said::of(command.envs(with_its_key.iter().copied()));
        assert_eq!(said.code, 2, "{}", said.stderr);
        assert!(said.stderr.contains("remember used tokens elsewhere"), "{}", said.stderr);
    }

    // Its Redis is away as it starts: which it is shows later.
    another.kill().unwrap();
    let third = late.serve_with(&in_redis(&other_url), &with_its_key);
    another.start_again().unwrap();
    wait_for("the third to know that it has no place", || {
        let log = std::fs::read_to_string(late.path("server.log")).unwrap();
        log.contains("others have this server's place").then_some(())
    });
    let made = || sandbox.ok(&["header", "--account", "admin", "--key", "alice.key"]);
    let token = || made().trim().trim_start_matches("Authorization: ").to_owned();
    wait_for("signed requests to be taken", || (first.forward_auth(&token()) == 200).then_some(()));
    // A token that took too long to make is refused, and the next is not.
    wait_for("the second takes them", || (second.forward_auth(&token()) == 200).then_some(()));
    wait_for("the third has no place", || (third.forward_auth(&token()) == 503).then_some(()));
    first.stop();
    second.stop();
    wait_for("the third to take them", || (third.forward_auth(&token()) == 200).then_some(()));
}

#[test]
fn a_redis_that_could_forget_keeps_the_server_from_starting() {
    let sandbox = Sandbox::new();
    let redis = Redis::start(&sandbox.path("."), &["--appendfsync", "everysec"]).unwrap();
    let mut command = sandbox.command(&["serve", "--listen=127.0.0.1:0"]);
    command.args(["--internal-listen=127.0.0.1:0", "--replay-guard=redis"]);
    let url = redis.url().replace("redis://", "redis://default:secret-word@");
    let said = crate::support::Said::of(command.env("COUNTERSIGN_REDIS_URL", url));
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(!said.stderr.contains("secret-word"), "{}", said.stderr);
    let said = sandbox.fails(
        2,
        &[
            "serve",
            "--listen=127.0.0.1:0",
            "--internal-listen=127.0.0.1:0",
            "--replay-guard=redis",
            "--redis-url",
            &redis.url(),
        ],
    );
    assert!(said.contains("its appendfsync is everysec, expected always"), "{said}");
}
