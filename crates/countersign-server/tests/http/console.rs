//! The console's door: links, sessions and roles. The pages themselves are tested in a browser.

use std::sync::atomic::Ordering::SeqCst;

use axum::body::Body;
use countersign_core::RequestSigner;
use countersign_core::ports::{AccountChange, AdminStore as _, AuditFilter, Page};
use countersign_core::{AccountName, GroupName};
use countersign_server::api::ConsoleLink;
use countersign_server::{Ports, Service, Settings};
use http::{Method, Request, StatusCode};

use crate::support::{Answer, HOST, INSTANCE, World, answer};

/// What a browser keeps.
struct Browser<'a> {
    world: &'a World,
    cookie: String,
}

impl Browser<'_> {
    async fn send(&self, method: Method, path: &str, body: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST)
            .header("origin", format!("http://{HOST}"))
            .header("cookie", &self.cookie)
            .header("content-type", "application/x-www-form-urlencoded");
        answer(self.world.internal(), request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    /// Whether the session is still one.
    async fn is_in(&self) -> bool {
        let answer = self.get("/console/audit").await;
        assert!([StatusCode::OK, StatusCode::SEE_OTHER].contains(&answer.status), "{answer:?}");
        answer.status == StatusCode::OK
    }

    async fn csrf(&self) -> String {
        let page = self.get("/console/accounts").await.body;
        let after = page.split_once("name=\"csrf\" value=\"").unwrap().1;
        after.split_once('"').unwrap().0.to_owned()
    }
}

async fn link(world: &World, operator: &RequestSigner) -> String {
    let answer = world.call(operator, "POST", "/v1/console-links", "").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json::<ConsoleLink>().path
}

/// Presses the button that a link leads to.
async fn press(world: &World, link: &str) -> Answer {
    let nobody = Browser { world, cookie: String::new() };
    let secret = link.split_once('?').unwrap().1;
    nobody.send(Method::POST, "/console/sign-in", secret).await
}

async fn sign_in<'a>(world: &'a World, operator: &RequestSigner) -> Browser<'a> {
    let answer = press(world, &link(world, operator).await).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    Browser { world, cookie }
}

#[tokio::test]
async fn a_link_lives_for_a_minute_and_once() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let first = link(&world, &admin).await;
    world.clock.advance(59);
    assert_eq!(press(&world, &first).await.status, StatusCode::SEE_OTHER);
    assert_eq!(press(&world, &first).await.status, StatusCode::UNAUTHORIZED);
    let second = link(&world, &admin).await;
    world.clock.advance(60);
    assert_eq!(press(&world, &second).await.status, StatusCode::UNAUTHORIZED);
    let none = "/console/sign-in?link=AAAA";
    assert_eq!(press(&world, none).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_link_of_a_key_that_was_revoked_meanwhile_is_no_good() {
    let world = World::new();
    world.account("root", &["admin"]).await;
    let ada = world.account("ada", &["admin"]).await;
    let link = link(&world, &ada).await;
    let (name, act) = (AccountName::new("ada").unwrap(), world.act());
    let keys = world.store.public_keys(&name).await.unwrap().unwrap();
    let print = keys[0].key.fingerprints().openssh();
    world.store.revoke_public_key(&act, &name, &print).await.unwrap();
    assert_eq!(press(&world, &link).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_after_four_hours() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let idle = sign_in(&world, &admin).await;
    world.clock.advance(15 * 60 - 1);
    assert!(idle.is_in().await);
    world.clock.advance(15 * 60);
    assert!(!idle.is_in().await);

    let busy = sign_in(&world, &admin).await;
    for _ in 0..24 {
        world.clock.advance(9 * 60 + 59);
        assert!(busy.is_in().await);
    }
    world.clock.advance(9 * 60);
    assert!(!busy.is_in().await, "four hours are over");
}

#[tokio::test]
async fn a_session_is_of_an_account_and_not_of_its_name() {
    let world = World::new();
    world.account("root", &["admin"]).await;
    let ada = world.account("ada", &["admin"]).await;
    let browser = sign_in(&world, &ada).await;
    assert!(browser.is_in().await);
    let name = AccountName::new("ada").unwrap();
    let key = world.store.public_keys(&name).await.unwrap().unwrap()[0].key.clone();
    world.store.delete_account(&world.act(), &name).await.unwrap();
    world.account("ada", &["admin"]).await;
    world.add_key(&name, &key).await;
    assert!(!browser.is_in().await);
}

#[tokio::test]
async fn a_form_needs_the_secret_of_its_session_and_the_right_to_change() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let ada = world.account("ada", &["auditor"]).await;
    let (root, looker) = (sign_in(&world, &admin).await, sign_in(&world, &ada).await);
    let (of_root, of_looker) = (root.csrf().await, looker.csrf().await);
    let make = async |browser: &Browser<'_>, csrf: &str| {
        let body = format!("name=robot&csrf={csrf}");
        browser.send(Method::POST, "/console/accounts", &body).await.status
    };
    assert_eq!(make(&root, "").await, StatusCode::FORBIDDEN);
    assert_eq!(make(&root, &of_looker).await, StatusCode::FORBIDDEN);
    assert_eq!(make(&looker, &of_looker).await, StatusCode::FORBIDDEN);
    assert_eq!(make(&looker, &of_root).await, StatusCode::FORBIDDEN);
    let robot_name = AccountName::new("robot").unwrap();
    assert_eq!(world.store.account(&robot_name).await.unwrap(), None);
    assert_eq!(make(&root, &of_root).await, StatusCode::SEE_OTHER);
    assert!(world.store.account(&robot_name).await.unwrap().is_some());

    // Who loses the right loses it with the next request.
    let groups = vec![GroupName::new("auditor").unwrap()];
    world.account("other", &["admin"]).await;
    let name = AccountName::new("root").unwrap();
    let change = AccountChange::SetGroups(groups);
    world.store.change_account(&world.act(), &name, change).await.unwrap();
    let body = format!("act=disable&csrf={of_root}");
    let answer = root.send(Method::POST, "/console/accounts/robot/change", &body).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

/// While the replay guard decides nothing no call can be signed. Whoever is in already can still
/// keep somebody out: `docs/replay-guards.md` counts on it.
#[tokio::test]
async fn a_session_works_while_no_signature_is_accepted() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    world.account("robot", &[]).await;
    let browser = sign_in(&world, &admin).await;
    world.guard.is_full.store(true, SeqCst);
    for (path, body) in [("/v1/console-links", ""), ("/v1/accounts/robot/revoke-tokens", "")] {
        let status = world.call(&admin, "POST", path, body).await.status;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    let name = AccountName::new("robot").unwrap();
    let shown = async || world.store.account(&name).await.unwrap().unwrap();
    let body = format!("act=disable&account={}&csrf={}", shown().await.id, browser.csrf().await);
    let answer = browser.send(Method::POST, "/console/accounts/robot/change", &body).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
    assert!(shown().await.disabled);
}

/// Whoever is disabled while a form of theirs is on its way does nothing with it.
#[tokio::test]
async fn rights_are_looked_at_when_all_of_a_form_is_there() {
    let world = World::new();
    world.account("root", &["admin"]).await;
    let ada = world.account("ada", &["admin"]).await;
    let browser = sign_in(&world, &ada).await;
    let body = format!("name=late&csrf={}", browser.csrf().await);
    let (send, parts) = flume::unbounded::<Result<String, std::io::Error>>();
    send.send(Ok(body[..5].to_owned())).unwrap();
    let request = Request::post("/console/accounts")
        .header("host", HOST)
        .header("origin", format!("http://{HOST}"))
        .header("cookie", &browser.cookie)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from_stream(parts.into_stream()))
        .unwrap();
    let disable = async {
        tokio::task::yield_now().await;
        let name = AccountName::new("ada").unwrap();
        let change = AccountChange::SetDisabled(true);
        world.store.change_account(&world.act(), &name, change).await.unwrap();
        send.send(Ok(body[5..].to_owned())).unwrap();
        drop(send);
    };
    let (answer, ()) = tokio::join!(answer(world.internal(), request), disable);
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
    let late = AccountName::new("late").unwrap();
    assert_eq!(world.store.account(&late).await.unwrap(), None);
}

/// Another server on the same store.
fn beside(world: &World) -> World {
    let ports = Ports {
        directory: world.directory.clone(),
        guard: world.guard.clone(),
        store: world.store.clone(),
        visits: world.store.clone(),
        tokens: None,
        clock: world.clock.clone(),
        random: world.random.clone(),
    };
    World {
        clock: world.clock.clone(),
        random: world.random.clone(),
        directory: world.directory.clone(),
        guard: world.guard.clone(),
        store: world.store.clone(),
        service: Service::new(ports, Settings::new(INSTANCE)).unwrap(),
    }
}

#[tokio::test]
async fn servers_that_share_a_store_let_the_same_visitors_in() {
    let one = World::new();
    let other = beside(&one);
    one.account("root", &["admin"]).await;
    let ada = one.account("ada", &["admin"]).await;
    let link = link(&one, &ada).await;
    assert_eq!(press(&other, &link).await.status, StatusCode::SEE_OTHER);
    assert_eq!(press(&one, &link).await.status, StatusCode::UNAUTHORIZED, "a link is good once");

    let here = sign_in(&one, &ada).await;
    let there = Browser { world: &other, cookie: here.cookie.clone() };
    assert!(there.is_in().await);
    // The form was shown by one, and is sent to the other.
    let form = format!("csrf={}", here.csrf().await);
    let out = there.send(Method::POST, "/console/sign-out", &form).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER, "{out:?}");
    assert!(!here.is_in().await && !there.is_in().await);

    let here = sign_in(&one, &ada).await;
    let disable = AccountChange::SetDisabled(true);
    let name = AccountName::new("ada").unwrap();
    one.store.change_account(&one.act(), &name, disable).await.unwrap();
    let there = Browser { world: &other, cookie: here.cookie.clone() };
    assert!(!there.is_in().await && !here.is_in().await);
}

#[tokio::test]
async fn one_operator_takes_no_place_of_another() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let ada = world.account("ada", &["auditor"]).await;
    let (mine, session) = (link(&world, &admin).await, sign_in(&world, &admin).await);
    for _ in 0..40 {
        sign_in(&world, &ada).await;
        link(&world, &ada).await;
    }
    assert!(session.is_in().await);
    assert_eq!(press(&world, &mine).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_cookie_of_another_server_on_the_host_does_not_hide_ours() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let mut browser = sign_in(&world, &admin).await;
    browser.cookie = format!("countersign-console=junk; {}", browser.cookie);
    assert!(browser.is_in().await);
}

#[tokio::test]
async fn nothing_that_is_sent_makes_it_fail() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let browser = sign_in(&world, &admin).await;
    let csrf = browser.csrf().await;
    let acts = async || {
        world
            .store
            .audit(&AuditFilter::default(), Page { after: None, limit: 1000 })
            .await
            .unwrap()
            .len()
    };
    let before = acts().await;
    let paths = [
        "accounts?after=%00",
        "accounts?sort=newest&after=x&made=99999999999999999999",
        "accounts?show=x",
        "accounts?group=%20x!",
        "accounts/%ff",
        "accounts/nobody",
        "audit?before=x",
        "audit?before=-9223372036854775808",
        "signing-keys/pem",
        "signing-keys/pem?kid=x",
        "refusals?account=%00",
        "accounts/root/keys/check",
        "sign-in?link=%ff",
        "../v1/accounts",
        "assets/nothing",
    ];
    for path in paths {
        let status = browser.get(&format!("/console/{path}")).await.status;
        assert!(!status.is_server_error(), "{path}: {status}");
    }
    let posts = [
        ("accounts", "name=%ff"),
        ("accounts", "name=."),
        ("accounts", ""),
        ("accounts/root/change", "act=explode"),
        ("accounts/nobody/change", "act=disable"),
        ("accounts/root/keys/check", "key=x"),
        ("accounts/root/keys", "key=&expires=never"),
        ("accounts/root/keys/x/revoke", ""),
        ("accounts/root/jwks-endpoints", "url=x"),
        ("accounts/root/jwks-endpoints/remove", "url=x"),
        ("accounts/root/api-keys", ""),
        ("accounts/root/api-keys/x/revoke", ""),
        ("signing-keys/rotate", ""),
        ("refusals", "authorization=%00"),
        ("refusals", "authorization=JWT a.b.c"),
    ];
    for (path, body) in posts {
        let body = format!("{body}&csrf={csrf}");
        let status = browser.send(Method::POST, &format!("/console/{path}"), &body).await.status;
        assert!(!status.is_server_error(), "{path} {body}: {status}");
        assert_ne!(status, StatusCode::SEE_OTHER, "{path} {body}");
    }
    assert_eq!(acts().await, before, "nothing was done");
}

#[tokio::test]
async fn every_answer_tells_the_browser_to_be_strict() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let browser = sign_in(&world, &admin).await;
    for path in ["accounts", "sign-in", "nothing", "assets/console.js"] {
        let answer = browser.get(&format!("/console/{path}")).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        let stored = answer.header("cache-control") != "no-store";
        assert_eq!(stored, path.starts_with("assets"), "{path}");
    }
}

#[tokio::test]
async fn the_latest_refusals_of_both_listeners_are_shown() {
    let world = World::new();
    let admin = world.account("root", &["admin"]).await;
    let stranger = world.account("stranger", &[]).await;
    let browser = sign_in(&world, &admin).await;
    let replayed = world.authorization(&stranger);
    world.ask(&replayed).await;
    let refused = world.ask(&replayed).await;
    let unbound = Request::get("/v1/accounts").header("host", HOST);
    let unbound = unbound.header("authorization", world.authorization(&admin));
    let unbound = answer(world.internal(), unbound.body(Body::empty()).unwrap()).await;
    let page = browser.get("/console/refusals").await.body;
    for shown in [refused.header("x-request-id"), unbound.header("x-request-id"), "replayed"] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    let page = browser.get("/console/refusals?account=stranger").await.body;
    assert!(page.contains("replayed") && !page.contains(unbound.header("x-request-id")));
}
