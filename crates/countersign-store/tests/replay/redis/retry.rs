//! An answer that got lost on its way.

use countersign_core::ports::GuardError;
use countersign_testbed::Redis;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{at, settled, spent, start};

/// Stands between a guard and Redis, and breaks the first connection over which a use was
/// entered, once Redis has answered that it was. Returns its own address.
async fn swallow_the_first_answer(redis: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut swallows = true;
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(&redis).await.unwrap();
            if swallows {
                swallows = !until_swallowed(client, server).await;
            } else {
                let (mut client, mut server) = (client, server);
                tokio::spawn(async move {
                    // Ends with the test.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        }
    });
    address
}

/// Passes everything on, up to the answer to a use. Whether there was one.
async fn until_swallowed(mut client: TcpStream, mut server: TcpStream) -> bool {
    let (mut asked, mut answered) = ([0; 4096], [0; 4096]);
    let mut is_use = false;
    loop {
        tokio::select! {
            length = client.read(&mut asked) => {
                let length = length.unwrap();
                if length == 0 {
                    return false;
                }
                is_use = asked[..length].windows(2).any(|words| words == b"PX");
                server.write_all(&asked[..length]).await.unwrap();
            }
            length = server.read(&mut answered) => {
                let length = length.unwrap();
                if is_use {
                    assert!(answered[..length].starts_with(b"$-1\r\n"), "it was entered");
                    return true;
                }
                client.write_all(&answered[..length]).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_knows_its_own_entry() {
    let directory = TempDir::new().unwrap();
    let redis = Redis::start(directory.path(), &[]).unwrap();
    let proxy = swallow_the_first_answer(redis.address()).await;
    let (guard, clock) = settled(at(&format!("redis://{proxy}"))).await;
    assert_eq!(spent(&guard, &clock, 1).await, Ok(()));
    assert_eq!(spent(&guard, &clock, 1).await, Err(GuardError::Replayed));
    let another = start(at(&redis.url()), &clock).await.unwrap();
    assert_eq!(spent(&another, &clock, 1).await, Err(GuardError::Replayed));
}
