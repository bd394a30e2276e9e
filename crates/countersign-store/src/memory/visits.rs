//! Links into the console and its sessions.

use async_trait::async_trait;
use countersign_core::ports::{StoreError, Visit, VisitKind, VisitStore};
use countersign_core::{SecretHash, UnixTime};

use super::MemoryStore;

#[async_trait]
impl VisitStore for MemoryStore {
    async fn keep_visit(
        &self,
        (kind, secret): (VisitKind, &SecretHash),
        visit: &Visit,
        at_most: u32,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        if !state.names.contains_key(&visit.account) {
            return Ok(());
        }
        let visits = &mut state.visits;
        visits.retain(|_, kept| kept.ends_at > visit.began_at);
        let own =
            visits.iter().filter(|((of, _), kept)| *of == kind && kept.account == visit.account);
        let mut own: Vec<_> = own.map(|(key, kept)| (kept.ends_at, *key)).collect();
        own.sort_by_key(|(ends_at, _)| *ends_at);
        let too_many = (own.len() + 1).saturating_sub(at_most as usize);
        for (_, first) in own.into_iter().take(too_many) {
            visits.remove(&first);
        }
        visits.insert((kind, *secret), visit.clone());
        Ok(())
    }

    async fn visit(
        &self,
        kind: VisitKind,
        secret: &SecretHash,
        now: UnixTime,
    ) -> Result<Option<Visit>, StoreError> {
        let kept = self.lock().visits.get(&(kind, *secret)).cloned();
        Ok(kept.filter(|visit| visit.ends_at > now))
    }

    async fn end_visit(
        &self,
        kind: VisitKind,
        secret: &SecretHash,
        now: UnixTime,
    ) -> Result<Option<Visit>, StoreError> {
        let ended = self.lock().visits.remove(&(kind, *secret));
        Ok(ended.filter(|visit| visit.ends_at > now))
    }

    async fn prolong_session(
        &self,
        secret: &SecretHash,
        ends_at: UnixTime,
    ) -> Result<(), StoreError> {
        if let Some(session) = self.lock().visits.get_mut(&(VisitKind::Session, *secret)) {
            session.ends_at = session.ends_at.max(ends_at);
        }
        Ok(())
    }
}
