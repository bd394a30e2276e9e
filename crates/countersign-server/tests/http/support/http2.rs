//! HTTP/2 over a real socket.

use tokio::sync::oneshot;

/// The status of one call, made on a thread of its own: what a client logs is
/// not what the server logs.
pub(crate) async fn status(
    method: &'static str,
    url: String,
    authorization: String,
    body: impl Into<String>,
) -> u16 {
    let (body, (answer, answered)) = (body.into(), oneshot::channel());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = runtime.block_on(async {
            let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
            let request = client
                .request(method.parse().unwrap(), url)
                .header("authorization", authorization)
                .header("content-type", "application/json")
                .body(body);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.version(), reqwest::Version::HTTP_2);
            answer.status().as_u16()
        });
        answer.send(status).unwrap();
    });
    answered.await.unwrap()
}
