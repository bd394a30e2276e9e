//! Links into the console and its sessions.

use async_trait::async_trait;
use countersign_core::ports::{StoreError, Visit, VisitKind, VisitStore};
use countersign_core::{SecretHash, UnixTime};

use super::query::query;
use super::rows::VisitRow;
use super::{SqlStore, statements, unavailable};

#[async_trait]
impl VisitStore for SqlStore {
    async fn keep_visit(
        &self,
        (kind, secret): (VisitKind, &SecretHash),
        visit: &Visit,
        at_most: u32,
    ) -> Result<(), StoreError> {
        let account = visit.account.0.as_bytes().as_slice();
        let mut writing = self.database.write().await.map_err(unavailable)?;
        let forget = query(statements::VISITS_FORGET).bind(visit.began_at.as_micros());
        forget.execute(&mut writing).await.map_err(unavailable)?;
        let make_room = query(statements::VISITS_MAKE_ROOM)
            .bind(account)
            .bind(kind.word())
            .bind(i64::from(at_most.saturating_sub(1)));
        make_room.execute(&mut writing).await.map_err(unavailable)?;
        let insert = query(statements::VISIT_INSERT)
            .bind(account)
            .bind(secret.as_bytes().as_slice())
            .bind(kind.word())
            .bind(visit.name.as_str())
            .bind(visit.key.to_spki_der())
            .bind(visit.began_at.as_micros())
            .bind(visit.ends_at.as_micros());
        insert.execute(&mut writing).await.map_err(unavailable)?;
        writing.commit().await.map_err(unavailable)
    }

    async fn visit(
        &self,
        kind: VisitKind,
        secret: &SecretHash,
        now: UnixTime,
    ) -> Result<Option<Visit>, StoreError> {
        let mut reading = self.database.read().await.map_err(unavailable)?;
        let row: Option<VisitRow> = query(statements::VISIT)
            .bind(secret.as_bytes().as_slice())
            .bind(kind.word())
            .bind(now.as_micros())
            .optional(&mut reading)
            .await
            .map_err(unavailable)?;
        row.map(VisitRow::visit).transpose()
    }

    async fn end_visit(
        &self,
        kind: VisitKind,
        secret: &SecretHash,
        now: UnixTime,
    ) -> Result<Option<Visit>, StoreError> {
        let mut writing = self.database.write().await.map_err(unavailable)?;
        let row: Option<VisitRow> = query(statements::VISIT_END)
            .bind(secret.as_bytes().as_slice())
            .bind(kind.word())
            .bind(now.as_micros())
            .optional(&mut writing)
            .await
            .map_err(unavailable)?;
        writing.commit().await.map_err(unavailable)?;
        row.map(VisitRow::visit).transpose()
    }

    async fn prolong_session(
        &self,
        secret: &SecretHash,
        ends_at: UnixTime,
    ) -> Result<(), StoreError> {
        let mut writing = self.database.write().await.map_err(unavailable)?;
        query(statements::SESSION_PROLONG)
            .bind(secret.as_bytes().as_slice())
            .bind(ends_at.as_micros())
            .execute(&mut writing)
            .await
            .map_err(unavailable)?;
        writing.commit().await.map_err(unavailable)
    }
}
