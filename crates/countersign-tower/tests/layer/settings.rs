//! Policies from configuration files and the environment.

use std::time::Duration;

use countersign_core::header::Spelling;
use countersign_core::{AccountName, Algorithm, HmacAlgorithm, PrivateKey, RequestSigner};
use countersign_system::{SystemClock, SystemRandom};
use countersign_tower::{Policy, PolicyError, PolicySettings, SettingsError};

use crate::support::{NOW, SECRET, bearer, built, issuer, key_issuer, outcome, pair};

fn read(toml: &str) -> Result<PolicySettings, toml::de::Error> {
    toml::from_str(toml)
}

fn policy(toml: &str) -> Policy {
    built(read(toml).unwrap().builder().unwrap())
}

fn refused(toml: &str) -> SettingsError {
    read(toml).unwrap().builder().err().unwrap()
}

fn secret() -> &'static str {
    std::str::from_utf8(SECRET).unwrap()
}

#[tokio::test]
async fn a_section_describes_a_policy() {
    let policy = policy(&format!(
        r#"
        realm = "billing"
        scheme = "JWT"
        shared_secret = "{}"
        algorithms = ["HS256"]
        issuers = ["https://a.example", "https://b.example"]
        audiences = "billing, shipping"
        required_claims = ["tenant"]
        leeway = "1m 30s"
        account_claim = "client_id"
        groups_claim = "groups"
        "#,
        secret()
    ));
    assert_eq!(policy.forget()["www-authenticate"], r#"JWT realm="billing""#);
    let issuer = || {
        issuer()
            .with_name("https://b.example")
            .with_audience(["shipping"])
            .with_account_claim("client_id")
    };
    let claims = serde_json::json!({"tenant": 7, "groups": ["ops"]});
    let header = |issuer: countersign_core::Issuer, ago: u64| {
        let made = NOW - Duration::from_mins(15) - Duration::from_secs(ago);
        format!("JWT {}", issuer.issue("worker", &claims, made).unwrap())
    };
    assert_eq!(outcome(&policy, &header(issuer(), 89)).await.as_deref(), Ok("worker"));
    assert_eq!(outcome(&policy, &header(issuer(), 90)).await, Err(401), "the leeway is over");
    let other = issuer().with_name("https://c.example");
    assert_eq!(outcome(&policy, &header(other, 0)).await, Err(401));
    let other = issuer().with_audience(["others"]);
    assert_eq!(outcome(&policy, &header(other, 0)).await, Err(401));
    let bare = issuer().issue("worker", &(), NOW).unwrap();
    assert_eq!(outcome(&policy, &format!("JWT {bare}")).await, Err(401), "without the tenant");
}

/// As the originals and other programs write a file: with a line end.
#[tokio::test]
async fn keys_and_secrets_may_be_in_files() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    for end in ["", "\n", "\r\n"] {
        let path = file("secret", &format!("{}{end}", secret()));
        let policy = policy(&format!("shared_secret_file = '{path}'"));
        let header = bearer(&issuer().issue("worker", &(), NOW).unwrap());
        assert_eq!(outcome(&policy, &header).await.as_deref(), Ok("worker"), "{end:?}");
    }
    let pairs: [PrivateKey; 2] = [pair(), pair()];
    let pem = |pair: &PrivateKey| pair.public_key().to_spki_pem();
    let paths = [file("a.pub", &pem(&pairs[0])), file("b.pub", &pem(&pairs[1]))];
    let policy = policy(&format!("public_key_files = {paths:?}"));
    for pair in &pairs {
        let header = bearer(&key_issuer(pair).issue("worker", &(), NOW).unwrap());
        assert_eq!(outcome(&policy, &header).await.as_deref(), Ok("worker"));
    }
}

/// Callers with keys of their own beside bearers of tokens, and alone.
#[tokio::test]
async fn a_section_describes_signed_requests() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("accounts.toml");
    let pair = pair();
    let pem = pair.public_key().to_spki_pem();
    let file = format!("[accounts.worker]\npublic_keys = ['''{pem}''']\ngroups = ['ops']");
    std::fs::write(&path, file).unwrap();
    let section = format!(
        r#"
        [signed_requests]
        accounts_file = '{}'
        tolerance = "2s"
        scheme = "Machine"
        spellings = "quoted, parameter"
        algorithms = ["EdDSA", "ES256"]
        audiences = ["billing"]
        require_audience = true
        "#,
        path.display()
    );
    let beside = format!("shared_secret = '{}'\n{section}", secret());
    let name = AccountName::new("worker").unwrap();
    let unbound = RequestSigner::new(name, pair);
    let signer = unbound.clone().with_audience("billing");
    let token = || signer.token(&SystemClock, &SystemRandom).unwrap();
    for section in [section, beside] {
        let settings = read(&section).unwrap();
        let policy = settings.builder().unwrap().build().unwrap();
        // What the process before may have taken is an outage, and soon there is no such token.
        let first = outcome(&policy, &Spelling::Quoted.value("Machine", &token())).await;
        assert_eq!(first, Err(503));
        let accepted = async {
            loop {
                let header = Spelling::Quoted.value("Machine", &token());
                match outcome(&policy, &header).await {
                    Err(503) => tokio::time::sleep(Duration::from_millis(20)).await,
                    outcome => return (outcome, header),
                }
            }
        };
        let accepted = tokio::time::timeout(Duration::from_secs(30), accepted);
        let (outcome_once, header) = accepted.await.unwrap();
        assert_eq!(outcome_once.as_deref(), Ok("worker"));
        assert_eq!(outcome(&policy, &header).await, Err(401), "it was used");
        let second = settings.clone().builder().unwrap().realm("second").build().unwrap();
        assert_eq!(outcome(&second, &header).await, Err(401), "of the same section");
        let bare = Spelling::Bare.value("Machine", &token());
        assert_eq!(outcome(&policy, &bare).await, Err(401), "of another spelling");
        let for_anybody = unbound.token(&SystemClock, &SystemRandom).unwrap();
        let header = Spelling::Quoted.value("Machine", &for_anybody);
        assert_eq!(outcome(&policy, &header).await, Err(401), "without an audience");
    }
}

#[tokio::test]
async fn keys_may_be_fetched_and_servers_asked() {
    let header = bearer(&key_issuer(&pair()).issue("worker", &(), NOW).unwrap());
    for source in ["jwks_url = 'https://jwks.invalid/'", "countersign_url = 'http://127.0.0.1:9'"] {
        // Nobody is there to say anything.
        assert_eq!(outcome(&policy(source), &header).await, Err(503), "{source}");
    }
}

#[tokio::test]
async fn what_would_not_do_is_said() {
    assert!(matches!(refused("realm = 'x'"), SettingsError::NoKeySource));
    let missing = refused("[signed_requests]\naccounts_file = 'no/such'");
    assert!(matches!(missing, SettingsError::Accounts(_)), "{missing}");
    let lonely = refused("audiences = 'a'\n[signed_requests]\naccounts_file = 'no/such'");
    assert!(matches!(lonely, SettingsError::OnlyForBearerTokens("audiences")), "{lonely}");
    let two = refused("jwks_url = 'https://a.example/'\nshared_secret_file = 'x'");
    assert_eq!(
        two.to_string(),
        "shared_secret_file and jwks_url are set: only one of them can verify tokens"
    );
    assert!(matches!(refused("shared_secret = 'short'"), SettingsError::Secret(_)));
    assert!(matches!(refused("shared_secret_file = 'no/such'"), SettingsError::SecretFile { .. }));
    assert!(matches!(refused("jwks_url = 'http://a.example/'"), SettingsError::JwksUrl(_)));
    assert!(matches!(refused("countersign_url = 'ftp://a/'"), SettingsError::Countersign(_)));
    let with = |more: &str| format!("shared_secret = '{}'\n{more}", secret());
    let unknown = refused(&with("algorithms = ['none']"));
    assert!(matches!(unknown, SettingsError::Algorithm(name) if name == "none"));
    let unknown = refused(&with("spellings = ['loud']"));
    assert!(matches!(unknown, SettingsError::Spelling(name) if name == "loud"));
    let unfit = read(&with("algorithms = ['RS256']")).unwrap().builder().unwrap().build();
    assert_eq!(unfit.err(), Some(PolicyError::AlgorithmUnfit(Algorithm::Rs256.into())));
    let short = read("shared_secret = '0123456789abcdef0123456789abcdef'\nalgorithms = 'HS384'");
    let short = short.unwrap().builder().unwrap().build();
    assert_eq!(short.err(), Some(PolicyError::SecretTooShort(HmacAlgorithm::Hs384)));
}

#[test]
fn what_is_not_known_or_has_no_unit_does_not_start() {
    for (toml, said) in [
        ("verify = false", "unknown field `verify`"),
        ("disable_verify_signature = false", "unknown field `disable_verify_signature`"),
        ("signed_requests = {}", "missing field `accounts_file`"),
        ("signed_requests = {accounts_file = 'a', leeway = '1s'}", "unknown field `leeway`"),
        ("leeway = 10", "a duration with a unit"),
        ("leeway = '10'", "is no duration such as"),
        ("leeway = 'soon'", "is no duration such as"),
        ("leeway = '-1s'", "is no duration such as"),
        ("audiences = 7", "a list of names"),
        ("issuers = ''", "the list is empty"),
        ("issuers = ' , '", "the list is empty"),
        ("issuers = []", "the list is empty"),
        ("countersign_url = 'https://me:secret@auth.example/'", "without a user and a password"),
    ] {
        let error = read(toml).unwrap_err().to_string();
        assert!(error.contains(said), "{toml}: {error}");
    }
    let settings = read(&format!("shared_secret = '{}'", secret())).unwrap();
    assert!(!format!("{settings:?}").contains(secret()));
}
