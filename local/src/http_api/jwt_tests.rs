use super::*;
use crate::identity::testing::{identity, impostor};
use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;

struct Fixture {
    identity: Arc<Identity>,
    verifier: Verifier,
    clock: Clock,
    authorizer: JwtAuthorizer,
}

fn fixture() -> Fixture {
    let clock = Clock::default();
    let identity = Arc::new(identity(clock.clone()));
    let authorizer = JwtAuthorizer {
        issuer: identity.issuer().to_owned(),
        audience: vec!["notes".into()],
        identity_source: "$request.header.Authorization".into(),
        scopes: Vec::new(),
    };
    Fixture { verifier: Verifier::new(identity.clone(), clock.clone()), identity, clock, authorizer }
}

impl Fixture {
    fn token(&self) -> String {
        let life = Duration::from_secs(3600);
        self.identity.token("ada", Some("ada@example.com"), "notes", &["read"], life).unwrap()
    }

    fn claims(&self) -> Value {
        let now = self.clock.now().timestamp();
        json!({"iss": self.authorizer.issuer, "sub": "ada", "aud": "notes", "iat": now, "exp": now + 60})
    }

    /// What becomes of the usual claims after `change`.
    async fn changed(&self, change: impl FnOnce(&mut Value)) -> Result<Arc<Claims>, Denied> {
        let mut claims = self.claims();
        change(&mut claims);
        self.verify(&self.identity.sign(&claims).unwrap()).await
    }

    async fn verify(&self, token: &str) -> Result<Arc<Claims>, Denied> {
        self.verifier.verify(token, &self.authorizer).await
    }
}

const DENIED: Denied = Denied::Unauthorized;

#[tokio::test]
async fn a_good_token_is_let_in_again_and_again() {
    let fixture = fixture();
    let token = fixture.token();
    for _ in 0..3 {
        assert_eq!(fixture.verify(&token).await.unwrap()["sub"], "ada");
    }
}

#[tokio::test]
async fn a_token_expires_when_the_clock_says_so_even_if_it_was_good_before() {
    let fixture = fixture();
    let token = fixture.token();
    fixture.verify(&token).await.unwrap();
    fixture.clock.advance(TimeDelta::seconds(3601));
    assert_eq!(fixture.verify(&token).await, Err(DENIED));
    fixture.clock.advance(TimeDelta::seconds(-7200));
    assert_eq!(fixture.verify(&token).await, Err(DENIED), "not before");
}

#[tokio::test]
async fn a_changed_token_is_refused_wherever_it_is_changed() {
    let fixture = fixture();
    let token = fixture.token();
    for at in (0..token.len()).step_by(7) {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(fixture.verify(&changed).await, Err(DENIED), "at {at}");
    }
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn other_algorithms_are_refused() {
    let fixture = fixture();
    let claims = encode(&fixture.claims());
    for alg in ["none", "None", "NONE", "", "RS512", "PS256", "ES256"] {
        let header = encode(&json!({"alg": alg, "kid": fixture.identity.key_id()}));
        assert_eq!(fixture.verify(&format!("{header}.{claims}.")).await, Err(DENIED), "{alg}");
    }
    let header = encode(&json!({"alg": "HS256", "kid": fixture.identity.key_id()}));
    let message = format!("{header}.{claims}");
    let jwks = fixture.identity.jwks().to_string();
    for secret in [fixture.identity.public_key().n.as_slice(), jwks.as_bytes()] {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, message.as_bytes()));
        assert_eq!(fixture.verify(&format!("{message}.{signature}")).await, Err(DENIED));
    }
}

#[tokio::test]
async fn a_header_without_a_known_key_is_refused() {
    let fixture = fixture();
    let token = fixture.token();
    let (_, rest) = token.split_once('.').unwrap();
    for header in [json!({"alg": "RS256", "kid": "x"}), json!({"alg": "RS256"}), json!("RS256")] {
        assert_eq!(fixture.verify(&format!("{}.{rest}", encode(&header))).await, Err(DENIED));
    }
}

/// A key id is compared and nothing else: it is no path, no query and no address.
#[tokio::test]
async fn a_key_is_the_issuers_whatever_else_the_header_names() {
    let fixture = fixture();
    let claims = fixture.claims().to_string();
    let kid = fixture.identity.key_id();
    let eve = impostor(fixture.clock.clone());
    for named in ["", "../../dev/null", "/dev/null", "' OR '1'='1", "https://evil.example/key", "\0", "*"] {
        let header = json!({"alg": "RS256", "kid": named}).to_string();
        let token = fixture.identity.sign_texts(&header, &claims).unwrap();
        assert_eq!(fixture.verify(&token).await, Err(DENIED), "{named}");
    }
    for kid in [json!(null), json!(7), json!([kid]), json!({"kid": kid})] {
        let header = json!({"alg": "RS256", "kid": kid}).to_string();
        let token = fixture.identity.sign_texts(&header, &claims).unwrap();
        assert_eq!(fixture.verify(&token).await, Err(DENIED), "{kid}");
    }
    // Nobody listens there, and nobody is asked: what names a key of its own is neither believed nor a reason to refuse.
    for (name, key) in [
        ("jku", json!("http://127.0.0.1:9/jwks")),
        ("x5u", json!("http://127.0.0.1:9/chain")),
        ("x5c", json!(["MIIB"])),
        ("jwk", eve.jwks()["keys"][0].clone()),
    ] {
        let header = json!({"alg": "RS256", "kid": kid, name: key}).to_string();
        let forged = eve.sign_texts(&header, &claims).unwrap();
        assert_eq!(fixture.verify(&forged).await, Err(DENIED), "{name}");
        fixture.verify(&fixture.identity.sign_texts(&header, &claims).unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn times_count_to_the_second() {
    let fixture = fixture();
    let now = fixture.clock.now_millis() as f64 / 1e3;
    let with =
        async |name: &str, value: f64| fixture.changed(|claims| claims[name] = json!(value)).await.is_ok();
    assert_eq!(
        (with("exp", now).await, with("exp", now - 0.5).await, with("exp", 0.0).await),
        (false, false, false)
    );
    assert!(with("exp", now + 5.0).await && with("exp", 1e300).await);
    // A second of grace for the clocks of others.
    for name in ["nbf", "iat"] {
        assert!(with(name, now + 0.5).await && with(name, -1e300).await, "{name}");
        assert!(!with(name, now + 5.0).await && !with(name, 1e300).await, "{name}");
    }
}

/// The signature of each is good, so that it is the header or the claims for which it is refused.
#[tokio::test]
async fn what_is_signed_is_still_refused_for_what_it_says() {
    let fixture = fixture();
    let claims = fixture.claims().to_string();
    let kid = fixture.identity.key_id();
    let header = |more: &str| format!(r#"{{"alg":"RS256","kid":"{kid}"{more}}}"#);
    let verify = async |header: &str, claims: &str| {
        fixture.verify(&fixture.identity.sign_texts(header, claims).unwrap()).await
    };
    verify(&header(""), &claims).await.unwrap();
    let headers = [
        header(r#","crit":["b64"],"b64":false"#),
        header(r#","crit":[]"#),
        header(r#","alg":"none""#),
        header(r#","kid":"other""#),
        header("").replace("RS256", "none"),
        header("").replace("RS256", "rs256"),
        header("").replace(kid, "other"),
        "[]".to_owned(),
        String::new(),
    ];
    for header in headers {
        assert_eq!(verify(&header, &claims).await, Err(DENIED), "{header}");
    }
    let open = claims.strip_suffix('}').unwrap();
    // Of a claim that is there twice the later counts, for this check as for whoever reads the claims after it.
    for more in [r#""exp":1"#, r#""iss":"https://evil.example""#, r#""aud":"other""#] {
        assert_eq!(verify(&header(""), &format!("{open},{more}}}")).await, Err(DENIED), "{more}");
    }
    let twice = verify(&header(""), &format!(r#"{open},"sub":"eve"}}"#)).await.unwrap();
    assert_eq!(twice["sub"], "eve");
    let huge = format!(r#"{open},"x":"{}"}}"#, "y".repeat(LONGEST));
    for claims in [huge.as_str(), "[]", "", "7", &claims[1..]] {
        assert_eq!(verify(&header(""), claims).await, Err(DENIED));
    }
}

#[tokio::test]
async fn issuer_audience_and_times_must_fit() {
    let fixture = fixture();
    fixture.changed(|_| ()).await.unwrap();
    let now = fixture.clock.now().timestamp();
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!(null)),
        ("iss", json!(format!("{}/", fixture.authorizer.issuer))),
        ("aud", json!("other")),
        ("aud", json!([])),
        ("aud", json!(["other"])),
        ("aud", json!(7)),
        ("exp", json!(now - 1)),
        ("exp", json!("never")),
        ("exp", json!(null)),
        ("nbf", json!(now + 60)),
        ("nbf", json!("soon")),
        ("iat", json!(now + 60)),
    ] {
        let denied = fixture.changed(|claims| claims[name] = value.clone()).await;
        assert_eq!(denied, Err(DENIED), "{name} {value}");
    }
}

#[tokio::test]
async fn the_client_id_counts_only_without_an_audience() {
    let fixture = fixture();
    fixture.changed(|claims| claims["aud"] = json!(["other", "notes"])).await.unwrap();
    let replace = |aud: Option<&str>| {
        let aud = aud.map(str::to_owned);
        move |claims: &mut Value| {
            let claims = claims.as_object_mut().unwrap();
            claims.remove("aud");
            claims.insert("client_id".into(), json!("notes"));
            claims.extend(aud.map(|aud| ("aud".to_owned(), json!(aud))));
        }
    };
    fixture.changed(replace(None)).await.unwrap();
    assert_eq!(fixture.changed(replace(Some("other"))).await, Err(DENIED));
}

#[tokio::test]
async fn any_one_of_the_scopes_is_enough_and_none_is_forbidden() {
    let mut fixture = fixture();
    fixture.authorizer.scopes = vec!["write".into(), "read".into()];
    fixture.verify(&fixture.token()).await.unwrap();
    fixture.changed(|claims| claims["scp"] = json!(["write"])).await.unwrap();
    assert_eq!(fixture.changed(|_| ()).await, Err(Denied::Forbidden));
    assert_eq!(fixture.changed(|claims| claims["scope"] = json!("reader")).await, Err(Denied::Forbidden));
}

#[tokio::test]
async fn a_token_that_one_authorizer_knows_is_not_good_for_another() {
    let fixture = fixture();
    let token = fixture.token();
    fixture.verify(&token).await.unwrap();
    let other = JwtAuthorizer { issuer: "https://other.example".into(), ..fixture.authorizer.clone() };
    assert_eq!(fixture.verifier.verify(&token, &other).await, Err(DENIED));
}

proptest! {
    #[test]
    fn nonsense_is_refused_and_never_panics(token in "[A-Za-z0-9_.=-]{0,300}|\\PC{0,60}") {
        let fixture = fixture();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        prop_assert_eq!(runtime.block_on(fixture.verify(&token)), Err(DENIED));
    }

    #[test]
    fn parts_of_nonsense_are_refused_and_never_panic(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5)) {
        let fixture = fixture();
        let token = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect::<Vec<_>>().join(".");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        prop_assert_eq!(runtime.block_on(fixture.verify(&token)), Err(DENIED));
    }
}
