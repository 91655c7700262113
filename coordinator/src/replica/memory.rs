//! A replica of one that forgets with its process: the embedded default.

use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};

use gristmill_scheduler::{Effect, Fact, State, apply};

use super::{Replica, ReplicaError};

/// See the module.
#[derive(Clone, Default)]
pub(crate) struct MemoryReplica(Arc<RwLock<State>>);

impl Replica for MemoryReplica {
    fn read(&self) -> impl Deref<Target = State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    async fn propose(&self, facts: Arc<[Fact]>) -> Result<Vec<Effect>, ReplicaError> {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut effects = Vec::new();
        for fact in facts.iter() {
            let applied = apply(&mut state, fact);
            effects.extend(applied.map_err(|illegal| ReplicaError::Illegal(illegal.to_string()))?);
        }
        Ok(effects)
    }

    async fn confirm(&self) -> Result<(), ReplicaError> {
        Ok(())
    }

    async fn deposed(&self) {
        std::future::pending::<()>().await;
    }
}
