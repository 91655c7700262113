//! Many clients that submit jobs, several of them the same one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gristmill_linearizable::{Operation, Submission};
use gristmill_model::{
    InputFile, InputMode, JobId, JobOptions, JobRequest, PathBytes, PluginInfo, RequestId, RequestKey, Sha256,
};
use gristmill_protocol::{CallError, Client};

use crate::kv_clients::client_at;
use crate::{Place, Recorder};

/// How many clients submit each request.
const REPEATS: u64 = 3;

/// What they do.
#[derive(Clone, Debug)]
pub struct Submitters {
    address: String,
    input: PathBuf,
    outputs: Vec<PathBuf>,
}

impl Submitters {
    /// At most so many requests to a group.
    pub fn new(place: &Place, address: &str, requests: u64) -> Self {
        let input = place.input("submitted.txt", "a line\n");
        let outputs = (0..requests).map(|_| place.new_output()).collect();
        Self { address: address.to_owned(), input, outputs }
    }

    /// Submits one after the other until the recorder is ended, each by several clients under the same key, of whom at least one waits for
    /// its answer. Then cancels the jobs, as nobody is to work on them.
    pub async fn run(self, recorder: Arc<Recorder<Submission, u64>>) {
        let patient = client_at(&self.address, 0, Duration::from_secs(60));
        let plugin = patient.upload_blob(b"nobody looks into it").await.expect("a plugin can be uploaded");
        let session = patient.open_session(7).await.expect("a session can be opened");
        let mut submitted = 0;
        for (number, output) in (1..).zip(&self.outputs).take_while(|_| !recorder.is_over()) {
            submitted = number;
            let key = RequestKey { client: session, request: RequestId(number) };
            let request = Arc::new(self.request(key, plugin, output.clone()));
            let tasks: Vec<_> = (0..REPEATS)
                .map(|client| {
                    // The first waits until it knows; the others may give up.
                    let patience = Duration::from_millis(if client == 0 { 60_000 } else { 200 });
                    let client = (client, client_at(&self.address, number + client, patience));
                    tokio::spawn(submit(client, request.clone(), recorder.clone()))
                })
                .collect();
            for task in tasks {
                task.await.expect("a client does not panic");
            }
        }
        let jobs = patient.jobs().await.expect("the jobs are listed");
        assert_eq!(jobs.len() as u64, submitted, "every request is one job");
        for job in jobs {
            patient.cancel(job.id).await.expect("a job can be cancelled");
            patient.wait_job(job.id).await.expect("a cancelled job ends");
        }
    }

    fn request(&self, key: RequestKey, plugin: Sha256, output: PathBuf) -> JobRequest {
        let plugin = PluginInfo {
            sha256: plugin,
            bytes: 20,
            name: "nobody".to_owned(),
            version: "1".to_owned(),
            input_mode: InputMode::Text,
            map_only: false,
            combines: false,
            total_order: false,
        };
        let path = PathBytes::from(self.input.as_path());
        let input = InputFile { name: path.clone(), path, bytes: 7, modified_ns: 0, splittable: true };
        JobRequest {
            key,
            plugin,
            params: Default::default(),
            inputs: vec![input],
            output: output.as_path().into(),
            options: JobOptions { reduces: Some(1), ..JobOptions::default() },
        }
    }
}

async fn submit(
    (number, client): (u64, Client),
    request: Arc<JobRequest>,
    recorder: Arc<Recorder<Submission, u64>>,
) {
    let called = recorder.now();
    let answer = client.submit_under_its_key(&request).await;
    let answered = recorder.now();
    if let Err(CallError::Refused(refusal)) = &answer {
        use gristmill_model::Refusal;
        let passes =
            matches!(refusal, Refusal::NotLeader { .. } | Refusal::NoMember { .. } | Refusal::Unavailable(_));
        assert!(passes, "submission {}: {refusal}", request.key.request.0);
    }
    recorder.add(Operation {
        key: request.key.request.0.to_be_bytes().to_vec(),
        client: number,
        call: Submission,
        called,
        answered: answer.ok().map(|JobId(job)| (answered, job)),
    });
}
