//! What upstreams are told of the caller.

use countersign_core::IdentityHeaders;
use countersign_tower::{AllowAnonymous, BearerTokens, Policy};
use http::{Request, Response};
use tower::Layer as _;

use crate::support::{NOW, answer, bearer, built, issuer, secret, with_authorization, with_secret};

/// What the service behind a policy sees in three of the headers.
async fn seen(policy: Policy, authorization: Option<&str>) -> String {
    let service =
        AllowAnonymous::new(policy).layer(tower::service_fn(|request: Request<()>| async move {
            let seen: Vec<_> = ["x-auth-account", "x-auth-method", "x-auth-groups"]
                .map(|name| {
                    request.headers().get_all(name).iter().map(|v| v.to_str().unwrap()).collect()
                })
                .map(|values: Vec<_>| values.join("+"))
                .into();
            Ok::<_, std::convert::Infallible>(Response::new(seen.join(" ")))
        }));
    let mut request = with_authorization(authorization);
    for name in ["x-auth-account", "x-auth-groups", "X-Auth-Method"] {
        for value in ["admin", "root"] {
            request.headers_mut().append(name, value.parse().unwrap());
        }
    }
    answer(service, request).await.into_body()
}

#[tokio::test]
async fn what_a_client_says_of_itself_never_passes() {
    let header = bearer(&issuer().issue("wörker", &(), NOW).unwrap());
    assert_eq!(seen(with_secret(), Some(&header)).await, "  ");
    let telling = || {
        let tokens = BearerTokens::shared_secret(secret());
        built(Policy::accepting(tokens).tell_upstreams(IdentityHeaders::default()))
    };
    assert_eq!(seen(telling(), Some(&header)).await, "w%C3%B6rker bearer-token ");
    assert_eq!(seen(telling(), None).await, "  ");
    assert_eq!(seen(telling(), Some("Bearer x")).await, "  ");
}
