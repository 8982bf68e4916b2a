//! What can be asked of rows, the same on every database.

macro_rules! statements {
    (($($receiver:tt)+), $this:ident => $executor:expr) => {
        /// The rows that are selected.
        ///
        /// # Errors
        /// [`ScopeError::TooManyRows`] for more than [`Select::MAX_ROWS`] without a limit.
        pub async fn all<T: RowOf>($($receiver)+, select: Select<T>) -> Result<Vec<T>, ScopeError> {
            $this.rows.all($executor, &select).await
        }

        /// The first row that is selected.
        ///
        /// # Errors
        /// As said at [`Scope`].
        pub async fn first<T: RowOf>($($receiver)+, select: Select<T>) -> Result<Option<T>, ScopeError> {
            Ok($this.rows.all($executor, &select.limit(1)).await?.pop())
        }

        /// The row with this key; `None` for one that does not exist and for one of another organisation.
        ///
        /// # Errors
        /// As said at [`Scope`].
        pub async fn find<T: RowOf>($($receiver)+, key: impl Into<Value>) -> Result<Option<T>, ScopeError> {
            Ok($this.rows.all($executor, &Select::by_key(key.into())).await?.pop())
        }

        /// How many rows the conditions select; order, limit and offset do not count.
        ///
        /// # Errors
        /// As said at [`Scope`].
        pub async fn count<T: RowOf>($($receiver)+, select: Select<T>) -> Result<u64, ScopeError> {
            $this.rows.count($executor, &select).await
        }

        /// Writes a row of the organisation and reads it back.
        ///
        /// # Errors
        /// [`ScopeError::Conflict`] if a unique value is taken, [`ScopeError::KeyAssigned`] if the database numbers
        /// the rows and the key was set.
        pub async fn insert<T: RowOf>($($receiver)+, insert: Insert<T>) -> Result<T, ScopeError> {
            $this.rows.insert($executor, &insert).await
        }

        /// Changes rows, and says how many: 0 also for rows of another organisation.
        ///
        /// # Errors
        /// [`ScopeError::NothingToSet`], and as [`insert`](Self::insert).
        pub async fn update<T: RowOf>($($receiver)+, update: Update<T>) -> Result<u64, ScopeError> {
            $this.rows.update($executor, &update).await
        }

        /// Removes rows, and says how many: 0 also for rows of another organisation.
        ///
        /// # Errors
        /// As said at [`Scope`].
        pub async fn delete<T: RowOf>($($receiver)+, delete: Delete<T>) -> Result<u64, ScopeError> {
            $this.rows.delete($executor, &delete).await
        }
    };
}

pub(super) use statements;
