use std::time::Duration;

use gristmill_model::{Refusal, RequestId, RequestKey};
use gristmill_protocol::limits::CHUNK_BYTES;
use gristmill_protocol::{Client, WorkerLink, sha256};

use crate::world::{PLUGIN, World, refused};

#[tokio::test]
async fn a_plugin_reaches_the_workers_whole() {
    let world = World::new().await;
    let plugin: Vec<u8> = (0..3 * CHUNK_BYTES + 5).map(|n| (n % 249) as u8).collect();
    let name = world.client().upload_blob(&plugin).await.unwrap();
    let mut got = Vec::new();
    let link = WorkerLink::new(world.endpoint(), Duration::ZERO);
    assert_eq!(link.fetch_blob(name, &mut got).await.unwrap(), plugin.len() as u64);
    assert!(got == plugin);
    assert!(matches!(refused(link.blob(sha256(b"no"), 0).await), Err(Refusal::UnknownBlob(_))));
}

#[tokio::test]
async fn rubbish_is_no_request() {
    let world = World::new().await;
    let client = world.client();
    let request = world.request(1, 1);
    client.upload_blob(PLUGIN).await.unwrap();
    for rubbish in [&b""[..], b"rubbish", &[0xff; 1000]] {
        let name = client.upload_blob(rubbish).await.unwrap();
        let refusal = submit_raw(&world, request.key, name).await.unwrap_err();
        assert!(
            matches!(&refusal, Refusal::Invalid(text) if text.contains("not a job request")),
            "{refusal:?}"
        );
    }
    let name = client.upload_blob(&postcard::to_stdvec(&request).unwrap()).await.unwrap();
    let other = RequestKey { request: RequestId(99), ..request.key };
    assert!(
        matches!(submit_raw(&world, other, name).await, Err(Refusal::Invalid(text)) if text.contains("key"))
    );
    assert!(matches!(submit_raw(&world, request.key, sha256(b"no")).await, Err(Refusal::UnknownBlob(_))));
    submit_raw(&world, request.key, name).await.unwrap();
    submit_raw(&world, request.key, sha256(b"lost since")).await.unwrap();
}

/// Submits a blob that may be anything.
async fn submit_raw(
    world: &World,
    key: RequestKey,
    name: gristmill_model::Sha256,
) -> Result<gristmill_model::JobId, Refusal> {
    refused(Client::new(world.endpoint(), Duration::ZERO).submit_uploaded(key, name).await)
}
