//! Single statements, each its own unit of work.

use super::{Delete, Insert, RowOf, Scope, ScopeError, ScopedTransaction, Select, Update, Value};

impl Scope<'_> {
    /// The rows that are selected.
    ///
    /// # Errors
    /// [`ScopeError::TooManyRows`] for more than [`Select::MAX_ROWS`] without a limit.
    pub async fn all<T: RowOf>(&self, select: Select<T>) -> Result<Vec<T>, ScopeError> {
        self.begin_reading().await?.all(select).await
    }

    /// The first row that is selected.
    ///
    /// # Errors
    /// As said at [`Scope`].
    pub async fn first<T: RowOf>(&self, select: Select<T>) -> Result<Option<T>, ScopeError> {
        self.begin_reading().await?.first(select).await
    }

    /// The row with this key; `None` for one that does not exist and for one of another organisation.
    ///
    /// # Errors
    /// As said at [`Scope`].
    pub async fn find<T: RowOf>(&self, key: impl Into<Value>) -> Result<Option<T>, ScopeError> {
        self.begin_reading().await?.find(key).await
    }

    /// How many rows the conditions select; order, limit and offset do not count.
    ///
    /// # Errors
    /// As said at [`Scope`].
    pub async fn count<T: RowOf>(&self, select: Select<T>) -> Result<u64, ScopeError> {
        self.begin_reading().await?.count(select).await
    }

    /// Writes a row of the organisation and reads it back.
    ///
    /// # Errors
    /// As [`ScopedTransaction::insert`]; then nothing has happened.
    pub async fn insert<T: RowOf>(&self, insert: Insert<T>) -> Result<T, ScopeError> {
        let mut work = self.begin().await?;
        let row = work.insert(insert).await?;
        work.commit().await?;
        Ok(row)
    }

    /// Changes rows, and says how many: 0 also for rows of another organisation.
    ///
    /// # Errors
    /// As [`ScopedTransaction::update`]; then nothing has happened.
    pub async fn update<T: RowOf>(&self, update: Update<T>) -> Result<u64, ScopeError> {
        let mut work = self.begin().await?;
        let changed = work.update(update).await?;
        work.commit().await?;
        Ok(changed)
    }

    /// Removes rows, and says how many: 0 also for rows of another organisation.
    ///
    /// # Errors
    /// As said at [`Scope`]; then nothing has happened.
    pub async fn delete<T: RowOf>(&self, delete: Delete<T>) -> Result<u64, ScopeError> {
        let mut work = self.begin().await?;
        let removed = work.delete(delete).await?;
        work.commit().await?;
        Ok(removed)
    }

    /// Nothing of it is to be kept, so nobody waits for its end.
    async fn begin_reading(&self) -> Result<ScopedTransaction, ScopeError> {
        self.begin_by("BEGIN READ ONLY").await
    }
}
